//! The one table of operations: what is routed, what is asked for, and what the `OpenAPI` document
//! says.

use http::Method;
use serde_json::{Value, json};
use vestibule_core::authn::Mechanism;

use super::{model, schema::Schema};

/// What can be asked of the admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Document,
    Status,
    Watch,
    ListConnections,
    ShowConnection,
    CloseConnection,
    CloseConnections,
    StepUp,
    ListRevocations,
    MakeRevocation,
    LiftRevocation,
    Account(AccountCall),
}

/// What can be asked of users and keys. It can be answered without a gateway that runs, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountCall {
    ListUsers,
    AddUser,
    ShowUser,
    ChangeUser,
    RemoveUser,
    SetPassword,
    ListKeys,
    AddKey,
    RemoveKey,
    ListPublicKeys,
    AddPublicKey,
    RemovePublicKey,
    ListPasskeys,
    RemovePasskey,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) call: Call,
    /// Its name, in the document and in the audit log.
    pub(super) name: &'static str,
    pub(super) method: &'static Method,
    /// With one `{…}` at the most, which stands for one segment.
    pub(super) path: &'static str,
    pub(super) about: &'static str,
    pub(super) query: &'static [Parameter],
    pub(super) body: Option<fn() -> Value>,
    pub(super) status: u16,
    pub(super) answer: Option<fn() -> Value>,
    /// What can go wrong beside a wrong token and a request that makes no sense.
    pub(super) errors: &'static [u16],
}

/// A parameter of the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: fn() -> Value,
}

const fn parameter(name: &'static str, about: &'static str, schema: fn() -> Value) -> Parameter {
    Parameter { name, about, schema }
}

fn mechanism() -> Value {
    let names: Vec<_> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
    json!({ "type": "string", "enum": names })
}

fn text() -> Value {
    Box::<str>::schema()
}

fn number() -> Value {
    u64::schema()
}

fn anything() -> Value {
    json!({ "type": "object" })
}

const LIMIT: Parameter = parameter("limit", "Most entries on a page; 100 if absent.", number);
const AFTER: Parameter =
    parameter("after", "Where the page begins: `next` of the one before.", text);

const REASON: Parameter = parameter("reason", "For the audit log.", text);

const FILTER: &[Parameter] = &[
    parameter("subject", "Of this subject.", text),
    parameter("issuer", "Of this issuer.", text),
    parameter("session", "Of this session.", text),
    parameter("route", "On the route of this path.", text),
    parameter("mechanism", "Authenticated in this way.", mechanism),
    parameter("address", "From an address, or a block of addresses such as `10.0.0.0/8`.", text),
    parameter("older_than", "Open for at least so many seconds.", number),
    parameter("younger_than", "Open for less than so many seconds.", number),
    LIMIT,
    AFTER,
];

/// Where watchers come to.
pub(super) const WATCH: &str = "/api/v1/watch";

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        call: Call::Document,
        name: "document",
        method: &Method::GET,
        path: "/api/v1/openapi.json",
        about: "This document.",
        query: &[],
        body: None,
        status: 200,
        answer: Some(anything),
        errors: &[],
    },
    Operation {
        call: Call::Status,
        name: "status.show",
        method: &Method::GET,
        path: "/api/v1/status",
        about: "How the gateway is doing: readiness, key sets, and every metric.",
        query: &[],
        body: None,
        status: 200,
        answer: Some(model::Status::schema),
        errors: &[],
    },
    Operation {
        call: Call::Watch,
        name: "watch",
        method: &Method::GET,
        path: WATCH,
        about: "A WebSocket that tells the status and the live connections about once a second.",
        query: &[],
        body: None,
        status: 101,
        answer: None,
        errors: &[403, 426],
    },
    Operation {
        call: Call::ListConnections,
        name: "connections.list",
        method: &Method::GET,
        path: "/api/v1/connections",
        about: "Live connections that fit every filter, a page at a time.",
        query: FILTER,
        body: None,
        status: 200,
        answer: Some(model::Connections::schema),
        errors: &[],
    },
    Operation {
        call: Call::CloseConnections,
        name: "connections.close",
        method: &Method::POST,
        path: "/api/v1/connections/close",
        about: "Closes connections. Their clients may connect again; to keep somebody out, revoke.",
        query: &[],
        body: Some(model::CloseConnections::schema),
        status: 200,
        answer: Some(model::Closed::schema),
        errors: &[],
    },
    Operation {
        call: Call::ShowConnection,
        name: "connection.show",
        method: &Method::GET,
        path: "/api/v1/connections/{id}",
        about: "One live connection.",
        query: &[],
        body: None,
        status: 200,
        answer: Some(model::Connection::schema),
        errors: &[404],
    },
    Operation {
        call: Call::CloseConnection,
        name: "connection.close",
        method: &Method::DELETE,
        path: "/api/v1/connections/{id}",
        about: "Closes one connection.",
        query: &[REASON],
        body: None,
        status: 200,
        answer: Some(model::Closed::schema),
        errors: &[404],
    },
    Operation {
        call: Call::StepUp,
        name: "connection.step-up",
        method: &Method::POST,
        path: "/api/v1/connections/{id}/step-up",
        about: "Asks the client of a connection for a second proof. Without it the connection is closed.",
        query: &[],
        body: Some(model::NewStepUp::schema),
        status: 200,
        answer: Some(model::StepUpAsked::schema),
        errors: &[404, 409],
    },
    Operation {
        call: Call::ListRevocations,
        name: "revocations.list",
        method: &Method::GET,
        path: "/api/v1/revocations",
        about: "Revocations that hold, a page at a time.",
        query: &[LIMIT, AFTER],
        body: None,
        status: 200,
        answer: Some(model::Revocations::schema),
        errors: &[],
    },
    Operation {
        call: Call::MakeRevocation,
        name: "revocation.make",
        method: &Method::POST,
        path: "/api/v1/revocations",
        about: "Revokes: refuses from now on what it covers, and ends its live connections with 4410.",
        query: &[],
        body: Some(model::NewRevocation::schema),
        status: 201,
        answer: Some(model::Revocation::schema),
        errors: &[409],
    },
    Operation {
        call: Call::LiftRevocation,
        name: "revocation.lift",
        method: &Method::DELETE,
        path: "/api/v1/revocations/{id}",
        about: "Takes a revocation back. Connections that it ended stay ended.",
        query: &[],
        body: None,
        status: 204,
        answer: None,
        errors: &[404],
    },
    Operation {
        call: Call::Account(AccountCall::ListUsers),
        name: "users.list",
        method: &Method::GET,
        path: "/api/v1/users",
        about: "Users, a page at a time.",
        query: &[LIMIT, AFTER],
        body: None,
        status: 200,
        answer: Some(model::Users::schema),
        errors: &[],
    },
    Operation {
        call: Call::Account(AccountCall::AddUser),
        name: "user.add",
        method: &Method::POST,
        path: "/api/v1/users",
        about: "Adds a user.",
        query: &[],
        body: Some(model::NewUser::schema),
        status: 201,
        answer: Some(model::User::schema),
        errors: &[409],
    },
    Operation {
        call: Call::Account(AccountCall::ShowUser),
        name: "user.show",
        method: &Method::GET,
        path: "/api/v1/users/{name}",
        about: "One user.",
        query: &[],
        body: None,
        status: 200,
        answer: Some(model::User::schema),
        errors: &[404],
    },
    Operation {
        call: Call::Account(AccountCall::ChangeUser),
        name: "user.change",
        method: &Method::PATCH,
        path: "/api/v1/users/{name}",
        about: "Shuts a user out, or lets a user in again.",
        query: &[],
        body: Some(model::UserChange::schema),
        status: 200,
        answer: Some(model::User::schema),
        errors: &[404, 409],
    },
    Operation {
        call: Call::Account(AccountCall::RemoveUser),
        name: "user.remove",
        method: &Method::DELETE,
        path: "/api/v1/users/{name}",
        about: "Removes a user with sessions and API keys, and revokes what was issued.",
        query: &[],
        body: None,
        status: 204,
        answer: None,
        errors: &[404, 409],
    },
    Operation {
        call: Call::Account(AccountCall::SetPassword),
        name: "user.password",
        method: &Method::PUT,
        path: "/api/v1/users/{name}/password",
        about: "Replaces the password of a user, and ends the logins that came by the one before.",
        query: &[],
        body: Some(model::NewPassword::schema),
        status: 200,
        answer: Some(model::User::schema),
        errors: &[404, 409],
    },
    Operation {
        call: Call::Account(AccountCall::ListKeys),
        name: "keys.list",
        method: &Method::GET,
        path: "/api/v1/keys",
        about: "API keys, a page at a time.",
        query: &[LIMIT, AFTER],
        body: None,
        status: 200,
        answer: Some(model::Keys::schema),
        errors: &[],
    },
    Operation {
        call: Call::Account(AccountCall::AddKey),
        name: "key.add",
        method: &Method::POST,
        path: "/api/v1/keys",
        about: "Makes an API key.",
        query: &[],
        body: Some(model::NewKey::schema),
        status: 201,
        answer: Some(model::MadeKey::schema),
        errors: &[],
    },
    Operation {
        call: Call::Account(AccountCall::RemoveKey),
        name: "key.remove",
        method: &Method::DELETE,
        path: "/api/v1/keys/{id}",
        about: "Removes an API key, and revokes what came by it.",
        query: &[],
        body: None,
        status: 204,
        answer: None,
        errors: &[404],
    },
    Operation {
        call: Call::Account(AccountCall::ListPublicKeys),
        name: "public-keys.list",
        method: &Method::GET,
        path: "/api/v1/public-keys",
        about: "Public keys of users, a page at a time.",
        query: &[LIMIT, AFTER],
        body: None,
        status: 200,
        answer: Some(model::PublicKeys::schema),
        errors: &[],
    },
    Operation {
        call: Call::Account(AccountCall::AddPublicKey),
        name: "public-key.add",
        method: &Method::POST,
        path: "/api/v1/public-keys",
        about: "Registers a public key with a user, who can then sign challenges with the private one.",
        query: &[],
        body: Some(model::NewPublicKey::schema),
        status: 201,
        answer: Some(model::PublicKey::schema),
        errors: &[409],
    },
    Operation {
        call: Call::Account(AccountCall::RemovePublicKey),
        name: "public-key.remove",
        method: &Method::DELETE,
        path: "/api/v1/public-keys/{id}",
        about: "Removes a public key, and revokes what came by it.",
        query: &[],
        body: None,
        status: 204,
        answer: None,
        errors: &[404],
    },
    Operation {
        call: Call::Account(AccountCall::ListPasskeys),
        name: "passkeys.list",
        method: &Method::GET,
        path: "/api/v1/passkeys",
        about: "Passkeys of users, a page at a time.",
        query: &[LIMIT, AFTER],
        body: None,
        status: 200,
        answer: Some(model::Passkeys::schema),
        errors: &[],
    },
    Operation {
        call: Call::Account(AccountCall::RemovePasskey),
        name: "passkey.remove",
        method: &Method::DELETE,
        path: "/api/v1/passkeys/{id}",
        about: "Removes a passkey, and revokes what came by it.",
        query: &[],
        body: None,
        status: 204,
        answer: None,
        errors: &[404],
    },
];

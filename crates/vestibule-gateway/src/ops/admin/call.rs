//! One request to the admin API: who asks, for what, and what it is answered.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::timeout;
use vestibule_authority::identities::Identities;
use vestibule_core::time::UnixTime;

use super::{
    Api,
    accounts::Accounts,
    audit::{Action, Audit},
    find::{Found, find},
    openapi,
    percent::decode,
    problem::Problem,
    table::{Call, Operation},
};
use crate::limits;

/// The name that whoever has the token gives themselves, for the audit log.
const USER: &str = "x-vestibule-operator";
/// Longest such name.
const USER_BYTES: usize = 100;

/// What is asked, as far as the table understands it.
#[derive(Debug)]
pub(super) struct Asked {
    /// What stands for the `{…}` of the path.
    pub(super) argument: Option<Box<str>>,
    query: Pairs,
    body: Bytes,
}

/// Names and values.
type Pairs = Vec<(Box<str>, Box<str>)>;

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    /// The body of the answer; `None` is none.
    pub(super) body: Option<Value>,
    /// For the audit log.
    pub(super) details: Value,
}

impl Done {
    /// Answers with this.
    pub(super) fn with(body: &impl Serialize, details: Value) -> Result<Self, Problem> {
        let body = serde_json::to_value(body)
            .map_err(|_| Problem::unavailable("the answer cannot be written"))?;
        Ok(Self { body: Some(body), details })
    }
}

impl Asked {
    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| **found == *name).map(|(_, value)| &**value)
    }

    /// The body, as an object of the API.
    pub(super) fn object<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // A value that is wrong may be a secret: what is said of it is where it stands.
            let what = match error.classify() {
                serde_json::error::Category::Data => said(&error),
                serde_json::error::Category::Io
                | serde_json::error::Category::Syntax
                | serde_json::error::Category::Eof => "the body is not JSON".to_owned(),
            };
            let (line, column) = (error.line(), error.column());
            Problem::invalid(format!("{what} (line {line}, column {column})"))
        })
    }

    /// What stands for the `{…}`, where there is one.
    pub(super) fn argument(&self) -> &str {
        self.argument.as_deref().unwrap_or_default()
    }
}

/// Serde's words, where they name members and not values.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let known = ["unknown field", "missing field", "duplicate field"];
    if known.iter().any(|words| text.starts_with(words)) {
        let text = text.split(" at line ").next().unwrap_or_default();
        return text.replace("field", "member").chars().take(300).collect();
    }
    "a member has a value of another kind".to_owned()
}

impl Api {
    /// Answers a request for a path of the API: the status, the body, and after how many seconds it
    /// can be tried again.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        from: IpAddr,
    ) -> (StatusCode, Option<Value>, Option<u64>) {
        let now = self.shared.clock.now();
        let user = request.headers().get(USER).and_then(|value| value.to_str().ok());
        let user: Option<String> = user.map(|user| user.chars().take(USER_BYTES).collect());
        let found = find(request.method(), request.uri().path());
        let passed = self.gate.pass(request.headers(), now.mono);
        let (name, target) = match &found {
            Found::Operation(operation, argument) => (operation.name, argument.clone()),
            Found::OtherMethod | Found::Nothing => ("unknown", None),
        };
        let outcome = match (passed, found) {
            (Err(problem), _) => Err(problem),
            (Ok(()), Found::Nothing) => {
                Err(Problem::not_found("there is no such path; /api/v1/openapi.json lists them"))
            }
            (Ok(()), Found::OtherMethod) => Err(Problem::method_not_allowed()),
            (Ok(()), Found::Operation(operation, argument)) => {
                self.carry_out(operation, argument, request).await
            }
        };
        let (status, body, details, outcome, retry) = match outcome {
            Ok((status, Done { body, details })) => (status, body, details, "done", None),
            Err(problem) => {
                let Problem { status, error, description, retry_after } = problem;
                let body = json!({ "error": error, "error_description": description });
                (status, Some(body), Value::Null, error, retry_after)
            }
        };
        let action = Action {
            name,
            target: target.as_deref(),
            user: user.as_deref(),
            from: &from.to_string(),
            details,
            status: status.as_u16(),
            outcome,
        };
        self.audit.record(&action, self.shared.clock.now().wall);
        (status, body, retry)
    }

    async fn carry_out(
        &self,
        operation: &'static Operation,
        argument: Option<Box<str>>,
        request: Request<Incoming>,
    ) -> Result<(StatusCode, Done), Problem> {
        let query = query(request.uri().query(), operation)?;
        let body = match operation.body {
            Some(_) => read(request.into_body()).await?,
            None => Bytes::new(),
        };
        let asked = Asked { argument, query, body };
        let done = match operation.call {
            Call::Document => Done::with(&openapi::document(), Value::Null),
            Call::Status => Done::with(&self.status().await, json!({})),
            Call::Watch => Err(Problem::upgrade_required()),
            Call::ListConnections => self.list_connections(&asked).await,
            Call::ShowConnection => self.show_connection(&asked).await,
            Call::CloseConnection => self.close_connection(&asked).await,
            Call::CloseConnections => self.close_connections(&asked).await,
            Call::StepUp => self.step_up(&asked).await,
            Call::ListRevocations => self.list_revocations(&asked),
            Call::MakeRevocation => self.make_revocation(&asked).await,
            Call::LiftRevocation => self.lift_revocation(&asked).await,
            Call::Account(call) => {
                let Some(identities) = &self.shared.kept.identities else {
                    let message = "the gateway has no users and no keys: write [auth]";
                    return Err(Problem::unavailable(message));
                };
                let now = self.shared.clock.now().wall;
                Accounts { identities, now }.carry_out(call, &asked).await
            }
        }?;
        let status = StatusCode::from_u16(operation.status).unwrap_or(StatusCode::OK);
        Ok((status, done))
    }
}

/// The parameters, each of which the operation knows, none twice.
fn query(query: Option<&str>, operation: &Operation) -> Result<Pairs, Problem> {
    let mut found = Pairs::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = decode(&name.replace('+', " ")).zip(decode(&value.replace('+', " ")));
        let Some((name, value)) = decoded else {
            return Err(Problem::invalid("the query is not percent-encoded UTF-8"));
        };
        let Some(known) = operation.query.iter().find(|parameter| parameter.name == name) else {
            return Err(Problem::invalid("the query has a parameter that is not known here"));
        };
        if found.iter().any(|(name, _)| **name == *known.name) {
            return Err(Problem::invalid(format!("`{}` is there twice", known.name)));
        }
        found.push((known.name.into(), value.into()));
    }
    Ok(found)
}

async fn read(body: Incoming) -> Result<Bytes, Problem> {
    let limited = Limited::new(body, limits::ADMIN_BODY_BYTES);
    match timeout(limits::ADMIN_REQUEST_TIME, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large()),
        Ok(Err(_)) => Err(Problem::invalid("the body ended early")),
        Err(_) => Err(Problem::too_slow()),
    }
}

/// Answers a request about users and keys without a gateway that runs: what it would say, or the
/// status and the words of its refusal. `who` has opened the store, and needs no token.
pub async fn answer_here(
    identities: &Identities,
    (method, path, body): (&Method, &str, Option<&Value>),
    (audit, user): (&Audit, Option<&str>),
    now: UnixTime,
) -> Result<Value, (u16, String)> {
    let (path, queried) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let said = |problem: Problem| {
        let Problem { status, error, description, retry_after: _ } = problem;
        (status.as_u16(), error, description)
    };
    let Found::Operation(operation, argument) = find(method, path) else {
        return Err((404, "there is no such path".to_owned()));
    };
    let Call::Account(call) = operation.call else {
        return Err((503, "this needs a gateway that runs".to_owned()));
    };
    let target = argument.clone();
    let outcome = match query(queried, operation) {
        Ok(query) => {
            let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
            let asked = Asked { argument, query, body };
            Accounts { identities, now }.carry_out(call, &asked).await.map_err(said)
        }
        Err(problem) => Err(said(problem)),
    };
    let (status, details, name) = match &outcome {
        Ok(done) => (operation.status, done.details.clone(), "done"),
        Err((status, error, _)) => (*status, Value::Null, *error),
    };
    let action = Action {
        name: operation.name,
        target: target.as_deref(),
        user,
        from: "the store",
        details,
        status,
        outcome: name,
    };
    audit.record(&action, now);
    match outcome {
        Ok(done) => Ok(done.body.unwrap_or(Value::Null)),
        Err((status, error, description)) => Err((status, format!("{description} ({error})"))),
    }
}

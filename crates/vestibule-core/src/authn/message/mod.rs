//! The in-band protocol, dialect `native`: text messages with the single key `auth`
//! (`docs/protocol.md`, section "In-band messages").

use core::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Credential, Demand, Mechanism, Principal, Response, Secret,
    member::{Hidden, Object, present},
};
use crate::{limits, rejection::Rejection, rejection::Retry, time::UnixTime};

/// Every control message begins with exactly these bytes.
pub const PREFIX: &[u8; 8] = b"{\"auth\":";

/// What a client says.
#[derive(Clone, Debug)]
pub enum ClientMessage {
    /// Presents a credential; on an authenticated connection the same as `Refresh`.
    Authenticate(Credential),
    /// Presents a newer credential of the same principal.
    Refresh(Credential),
    /// Answers the challenge of this connection.
    Respond(Response),
    /// Ends the authentication, and with it the connection.
    Logout,
}

impl ClientMessage {
    /// Reads one text message. Unknown members, duplicate members and unknown types are refused.
    pub fn parse(text: &[u8]) -> Result<Self, Rejection> {
        if text.len() > limits::MESSAGE_BYTES {
            return Err(Rejection::MessageTooLarge);
        }
        let Envelope { auth } =
            serde_json::from_slice(text).map_err(|_| Rejection::MalformedMessage)?;
        let Raw { kind, mechanism, token, message, key, user, signature, sshsig, assertion, proof } =
            auth;
        let members = [
            (Member::Token, token),
            (Member::Message, message),
            (Member::Key, key),
            (Member::User, user),
            (Member::Signature, signature),
            (Member::SshSig, sshsig),
            (Member::Assertion, assertion.map(Object::into_text)),
            (Member::Proof, proof),
        ];
        let mut said = members.into_iter().filter_map(|(member, text)| Some((member, text?)));
        let (said, None) = (said.next(), said.next()) else {
            return Err(Rejection::MalformedMessage);
        };
        match (kind, mechanism, said) {
            (Kind::Authenticate, Some(mechanism), said) => {
                Ok(Self::Authenticate(credential(&mechanism, said)?))
            }
            (Kind::Refresh, Some(mechanism), said) => {
                Ok(Self::Refresh(credential(&mechanism, said)?))
            }
            (Kind::Respond, None, Some((member, text))) => {
                Ok(Self::Respond(response(member, &text)?))
            }
            (Kind::Logout, None, None) => Ok(Self::Logout),
            (Kind::Authenticate | Kind::Refresh | Kind::Respond | Kind::Logout, _, _) => {
                Err(Rejection::MalformedMessage)
            }
        }
    }
}

/// What the server says. The text never holds a credential that came from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// A credential is wanted.
    Required {
        /// What the route takes, in its order.
        mechanisms: &'a [Mechanism],
        /// How long the client has.
        timeout: Duration,
    },
    /// The client is to answer.
    Challenge {
        /// What.
        demand: &'a Demand,
        /// How long that counts.
        expires_in: Duration,
    },
    /// The connection is authenticated.
    Accepted {
        /// Who it is.
        principal: &'a Principal,
        /// When the credential was looked at.
        now: UnixTime,
        /// The connection's name, and what it may come back with; said once, at the beginning.
        introduction: Introduction<'a>,
        /// What proves to the client that this is the server which knows its secret.
        message: Option<&'a str>,
    },
    /// The lease ends soon.
    Expiring {
        /// How soon.
        remaining: Duration,
    },
    /// The credential was refused.
    Rejected {
        /// Why.
        rejection: Rejection,
        /// Whether another credential may be tried on this connection.
        retry: TryAgain,
    },
}

/// What a client is told about its connection when it is accepted, and not on refresh.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Introduction<'a> {
    /// The name of the connection, for a refresh out of band and for support.
    pub connection: Option<&'a str>,
    /// A session token that authenticates a reconnect. It is a credential.
    pub session: Option<&'a str>,
}

impl fmt::Debug for Introduction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, session } = self;
        f.debug_struct("Introduction")
            .field("connection", connection)
            .field("session", &session.map(|_| "[secret]"))
            .finish()
    }
}

/// Whether a client may present another credential on the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAgain {
    /// It may.
    Yes,
    /// The connection is about to be closed.
    No,
}

impl TryAgain {
    /// A rejection that a fresh credential could mend may be answered with one.
    pub fn after(rejection: Rejection) -> Self {
        match rejection.answer().retry {
            Retry::FreshCredential => Self::Yes,
            Retry::Stop | Retry::BackOff => Self::No,
        }
    }
}

impl ServerMessage<'_> {
    /// The text message. Every one begins with [`PREFIX`].
    pub fn render(&self) -> String {
        let auth = match self {
            Self::Required { mechanisms, timeout } => Spoken::Required {
                mechanisms: mechanisms.iter().map(|mechanism| mechanism.name()).collect(),
                timeout: timeout.as_secs(),
            },
            Self::Challenge { demand, expires_in } => {
                let expires_in = expires_in.as_secs();
                let (message, nonce, options) = match demand {
                    Demand::Message(message) => (Some(&**message), None, None),
                    Demand::Nonce(nonce) => (None, Some(&**nonce), None),
                    Demand::Options(options) => (None, None, Some(options)),
                };
                Spoken::Challenge { message, nonce, options, expires_in }
            }
            Self::Accepted { principal, now, introduction, message } => Spoken::Accepted {
                subject: &principal.subject,
                mechanism: principal.mechanism.name(),
                expires_in: now.until(principal.expires).as_secs(),
                connection: introduction.connection,
                session: introduction.session,
                message: *message,
            },
            Self::Expiring { remaining } => Spoken::Expiring { expires_in: remaining.as_secs() },
            Self::Rejected { rejection, retry } => {
                Spoken::Rejected { error: rejection.answer().error, retry: *retry == TryAgain::Yes }
            }
        };
        // Strings and numbers cannot fail to serialise; an empty text would only be ignored.
        serde_json::to_string(&Outgoing { auth }).unwrap_or_default()
    }
}

fn credential(mechanism: &str, said: Option<(Member, Hidden)>) -> Result<Credential, Rejection> {
    let Some(mechanism) = Mechanism::from_name(mechanism) else {
        return Err(Rejection::MechanismNotAllowed);
    };
    let secret = match (begins_with(mechanism), said) {
        (Beginning::With(wanted), Some((member, text))) if member == wanted => text.secret()?,
        // One that is empty would be taken for none.
        (Beginning::Perhaps(wanted), Some((member, text)))
            if member == wanted && !text.is_empty() =>
        {
            text.secret()?
        }
        (Beginning::Perhaps(_) | Beginning::Bare, None) => Secret::new([]),
        (Beginning::With(_) | Beginning::Perhaps(_) | Beginning::Bare, _) => {
            return Err(Rejection::MalformedMessage);
        }
    };
    Ok(Credential { mechanism, secret, proof: None })
}

/// What presents a credential, beside the name of the mechanism.
enum Beginning {
    With(Member),
    Perhaps(Member),
    Bare,
}

const fn begins_with(mechanism: Mechanism) -> Beginning {
    match mechanism {
        Mechanism::Bearer
        | Mechanism::Ticket
        | Mechanism::Session
        | Mechanism::ApiKey
        | Mechanism::Dpop => Beginning::With(Member::Token),
        Mechanism::PublicKey => Beginning::With(Member::Key),
        Mechanism::ScramSha256 | Mechanism::ScramSha256Plus | Mechanism::OauthBearer => {
            Beginning::With(Member::Message)
        }
        // A passkey may know whose it is.
        Mechanism::Webauthn => Beginning::Perhaps(Member::User),
        Mechanism::External => Beginning::Bare,
    }
}

fn response(member: Member, text: &Hidden) -> Result<Response, Rejection> {
    match member {
        Member::Message => Ok(Response::Message(text.secret()?)),
        Member::Signature => Ok(Response::Signature(text.secret()?)),
        Member::SshSig => Ok(Response::SshSig(text.secret()?)),
        Member::Assertion => Ok(Response::Assertion(text.secret()?)),
        Member::Proof => Ok(Response::Proof(text.secret()?)),
        Member::Token | Member::Key | Member::User => Err(Rejection::MalformedMessage),
    }
}

/// What a message of a client presents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Token,
    Message,
    Key,
    User,
    Signature,
    SshSig,
    Assertion,
    Proof,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    auth: Spoken<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Spoken<'a> {
    Required {
        mechanisms: Vec<&'static str>,
        timeout: u64,
    },
    Challenge {
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        nonce: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        options: Option<&'a Map<String, Value>>,
        expires_in: u64,
    },
    Accepted {
        subject: &'a str,
        mechanism: &'static str,
        expires_in: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        connection: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    },
    Expiring {
        expires_in: u64,
    },
    Rejected {
        error: &'static str,
        retry: bool,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    auth: Raw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default, deserialize_with = "present")]
    mechanism: Option<String>,
    #[serde(default, deserialize_with = "present")]
    token: Option<Hidden>,
    #[serde(default, deserialize_with = "present")]
    message: Option<Hidden>,
    #[serde(default, deserialize_with = "present")]
    key: Option<Hidden>,
    #[serde(default, deserialize_with = "present")]
    user: Option<Hidden>,
    #[serde(default, deserialize_with = "present")]
    signature: Option<Hidden>,
    #[serde(default, deserialize_with = "present")]
    sshsig: Option<Hidden>,
    #[serde(default, deserialize_with = "present")]
    assertion: Option<Object>,
    #[serde(default, deserialize_with = "present")]
    proof: Option<Hidden>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Authenticate,
    Refresh,
    Respond,
    Logout,
}

#[cfg(test)]
mod tests;

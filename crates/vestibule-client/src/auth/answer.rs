//! What answers a challenge (`docs/protocol.md`, section 6.5).

use core::{fmt, future::Future, pin::Pin};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use tokio::task::spawn_blocking;
use vestibule_core::{authn::Mechanism, time::UnixTime};
use vestibule_verify::{
    dpop::{Draft, ProofKey, Statement},
    scram::{Client, ClientBinding, ClientFault, Nonce, TlsExporter},
};
use zeroize::Zeroizing;

use super::{Malformed, Unavailable};
use crate::{
    handshake::Handshake,
    machine::{Demand, Expected},
};

pub(super) type Signing = Pin<Box<dyn Future<Output = Result<Signature, Unavailable>> + Send>>;

/// An answer, when it is there.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Unanswered>> + Send>>;

/// The answer to a challenge.
pub struct Answer {
    message: Zeroizing<String>,
    expected: Option<Expected>,
}

impl Answer {
    /// The control message to send, and what `accepted` must say then, where the server has to prove
    /// something.
    pub fn into_parts(self) -> (Zeroizing<String>, Option<Expected>) {
        (self.message, self.expected)
    }
}

/// What a private key made of the bytes that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Ed25519, or r and s of ECDSA on P-256 with SHA-256, 32 bytes each.
    Raw([u8; 64]),
    /// What `ssh-keygen -Y sign -n vestibule` writes, armored.
    Ssh(String),
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The server asks back where the credential is a token, or asks twice.
    #[error("the server asks back, and nothing here has an answer")]
    OutOfTurn,
    /// The server asks for something else than the mechanism has.
    #[error("the server asks for something else than the mechanism has")]
    Mismatch,
    /// The exchange is to be bound to the connection, and it has nothing to be bound by.
    #[error("nothing binds an exchange to this connection: it is not TLS 1.3")]
    Unbound,
    /// The private key signed nothing.
    #[error("the private key signed nothing")]
    Unsigned,
    /// The server breaks the exchange, or cannot be trusted with the password.
    #[error("{0}")]
    Server(ClientFault),
}

/// Who answers for a credential.
#[derive(Clone)]
pub(super) enum Answerer {
    /// Nobody: it is a token.
    Nobody,
    Key(Arc<dyn Fn(Vec<u8>) -> Signing + Send + Sync>),
    Password(Arc<Mutex<Option<Client>>>),
    /// What is proven is bound to the connection, which is there when the challenge is.
    BoundPassword(Arc<Mutex<Option<Unbound>>>),
    BoundToken(Arc<BoundToken>),
}

/// What an exchange was begun with, before it was bound.
pub(super) struct Unbound {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
    nonce: Nonce,
}

impl Unbound {
    /// The first message says that there is a binding, and the last one which: the same beginning
    /// again, for this connection.
    fn bound(&self, exporter: TlsExporter) -> Result<(Client, String), ClientFault> {
        let Self { user, password, nonce } = self;
        Client::begin(user, password, ClientBinding::TlsExporter(exporter), nonce)
    }
}

/// A token, and the key that it is bound to.
pub(super) struct BoundToken {
    pub(super) token: Zeroizing<String>,
    pub(super) key: ProofKey,
    pub(super) sign: Box<dyn Fn(Vec<u8>) -> Signing + Send + Sync>,
}

impl Answerer {
    pub(super) fn key<F, Fut>(sign: F) -> Self
    where
        F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
    {
        Self::Key(Arc::new(move |bytes| Box::pin(sign(bytes))))
    }

    pub(super) fn bound<F, Fut>(token: Zeroizing<String>, key: ProofKey, sign: F) -> Self
    where
        F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
    {
        let sign = Box::new(move |bytes| -> Signing { Box::pin(sign(bytes)) });
        Self::BoundToken(Arc::new(BoundToken { token, key, sign }))
    }

    /// Begins an exchange by password; what is sent first.
    pub(super) fn password(user: &str, password: &str) -> Result<(Self, String), Malformed> {
        let mut random = [0; 18];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Malformed)?;
        let (client, message) =
            Client::begin(user, password, ClientBinding::Unsupported, &Nonce::new(random))
                .map_err(|_| Malformed)?;
        Ok((Self::Password(Arc::new(Mutex::new(Some(client)))), message))
    }

    /// Begins an exchange by password that is bound to its connection; what is sent first.
    pub(super) fn bound_password(user: &str, password: &str) -> Result<(Self, String), Malformed> {
        let mut random = [0; 18];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| Malformed)?;
        let unbound = Unbound {
            user: Zeroizing::new(user.to_owned()),
            password: Zeroizing::new(password.to_owned()),
            nonce: Nonce::new(random),
        };
        let (_, message) = unbound.bound([0; 32]).map_err(|_| Malformed)?;
        Ok((Self::BoundPassword(Arc::new(Mutex::new(Some(unbound)))), message))
    }

    pub(super) fn respond(
        &self,
        demand: Demand,
        handshake: &Handshake,
        exporter: Option<TlsExporter>,
    ) -> Answering {
        match (self, demand) {
            (Self::Nobody, _) => Box::pin(async { Err(Unanswered::OutOfTurn) }),
            (Self::Key(sign), Demand::Nonce(nonce)) => {
                let signing = handshake.signed(&nonce).map(|bytes| sign(bytes));
                Box::pin(async {
                    let signature = signing.ok_or(Unanswered::Mismatch)?.await;
                    Ok(signed(&signature.map_err(|_| Unanswered::Unsigned)?))
                })
            }
            (Self::Password(client), Demand::Message(message)) => {
                let client = lock(client).take();
                Box::pin(async { proven(client.ok_or(Unanswered::OutOfTurn)?, message).await })
            }
            (Self::BoundPassword(unbound), Demand::Message(message)) => {
                let bound = lock(unbound).take().ok_or(Unanswered::OutOfTurn).and_then(|unbound| {
                    let exporter = exporter.ok_or(Unanswered::Unbound)?;
                    unbound.bound(exporter).map_err(Unanswered::Server)
                });
                Box::pin(async { proven(bound?.0, message).await })
            }
            (Self::BoundToken(bound), Demand::Nonce(nonce)) => {
                let draft = bound.draft(&nonce, handshake);
                let signing = draft.as_ref().map(|draft| (bound.sign)(draft.bytes().to_vec()));
                Box::pin(async {
                    let (Some(draft), Some(signing)) = (draft, signing) else {
                        return Err(Unanswered::Mismatch);
                    };
                    match signing.await.map_err(|_| Unanswered::Unsigned)? {
                        Signature::Raw(bytes) => Ok(proof(&draft.signed(&bytes))),
                        Signature::Ssh(_) => Err(Unanswered::Unsigned),
                    }
                })
            }
            (Self::Key(_) | Self::BoundToken(_), Demand::Message(_))
            | (Self::Password(_) | Self::BoundPassword(_), Demand::Nonce(_)) => {
                Box::pin(async { Err(Unanswered::Mismatch) })
            }
        }
    }
}

impl BoundToken {
    /// A proof for the connection of this handshake, over the server's nonce.
    fn draft(&self, nonce: &str, handshake: &Handshake) -> Option<Draft> {
        let address = handshake.proven(nonce)?;
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).ok()?;
        // The server judges by its own clock, whatever that of the connection says.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let now = UnixTime::from_secs(i64::try_from(since.as_secs()).ok()?);
        let request = ("GET", &*address);
        let statement = Statement::of(request, self.token.as_bytes(), Some(nonce), id, now);
        Some(Draft::new(&self.key, &statement))
    }
}

fn proof(proof: &str) -> Answer {
    let response = json!({ "auth": { "type": "respond", "proof": proof } });
    Answer { message: Zeroizing::new(response.to_string()), expected: None }
}

/// Nothing panics while it is held.
fn lock<T>(state: &Mutex<Option<T>>) -> MutexGuard<'_, Option<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signed(signature: &Signature) -> Answer {
    let response = match signature {
        Signature::Raw(bytes) => {
            json!({ "type": "respond", "signature": BASE64URL_NOPAD.encode(bytes) })
        }
        Signature::Ssh(text) => json!({ "type": "respond", "sshsig": text }),
    };
    let message = Zeroizing::new(json!({ "auth": response }).to_string());
    Answer { message, expected: None }
}

async fn proven(client: Client, message: String) -> Result<Answer, Unanswered> {
    // As many iterations as the server wants: not for a thread that drives connections.
    let responded = spawn_blocking(move || client.respond(message.as_bytes())).await;
    let (awaiting, message) =
        responded.map_err(|_| Unanswered::OutOfTurn)?.map_err(Unanswered::Server)?;
    let response = json!({ "auth": { "type": "respond", "message": message } });
    Ok(Answer {
        message: Zeroizing::new(response.to_string()),
        expected: Some(Expected::new(awaiting.expected().as_str())),
    })
}

/// The member of `authenticate` that names who, or holds the token; a certificate has none.
pub(super) const fn member(mechanism: Mechanism) -> Option<&'static str> {
    Some(match mechanism {
        Mechanism::Bearer
        | Mechanism::Ticket
        | Mechanism::Session
        | Mechanism::ApiKey
        | Mechanism::Dpop => "token",
        Mechanism::PublicKey => "key",
        Mechanism::Webauthn => "user",
        Mechanism::ScramSha256 | Mechanism::ScramSha256Plus | Mechanism::OauthBearer => "message",
        Mechanism::External => return None,
    })
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message: _, expected } = self;
        f.debug_struct("Answer").field("expected", expected).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Key(_) => "Key",
            Self::Password(_) => "Password",
            Self::BoundPassword(_) => "BoundPassword",
            Self::BoundToken(_) => "BoundToken",
        })
    }
}

//! Who is asked for credentials.

use core::{error::Error, fmt, future::Future, marker::PhantomData};

use zeroize::Zeroizing;

use super::{Carrier, Credential, Mechanism, Proof, Signature};
use crate::machine::AskReason;

/// What a provider is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Why it is asked. For `Refresh` and `Refused` it must give another credential than before: one
    /// that was refused is not sent again.
    pub reason: AskReason,
    /// 1, and more when it is asked again because something failed.
    pub attempt: u32,
}

/// There is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Not now: it will be asked for again. Made from any error by `?`; the error itself is dropped,
    /// because it may hold a secret: report it where it happens.
    ForNow,
    /// Asking again is of no use, because somebody has to sign in first. A client that has no
    /// connection stops; an open one stays until its lease ends.
    ForGood,
}

impl<E: Error> From<E> for Unavailable {
    fn from(_: E) -> Self {
        Self::ForNow
    }
}

/// Gives credentials. It is asked for each connection and each refresh, never twice at once.
///
/// One that gives an old credential again costs a refused connection each time; one that gives the
/// credential of somebody else ends the connection at a refresh, and lets the next one speak for
/// that other.
pub trait Provider: Send + Sync + 'static {
    /// Where its credentials travel, unless the builder says otherwise.
    fn carrier(&self) -> Carrier {
        Carrier::Message
    }

    /// Whether its credentials answer challenges. An `accepted` without one is not believed then, and
    /// no session takes the place of the provider.
    fn proof(&self) -> Proof {
        Proof::Token
    }

    /// Whether those that it gives for [`AskReason::StepUp`] answer challenges.
    fn step_up(&self) -> Proof {
        self.proof()
    }

    /// Gives a credential. The future is dropped when nobody waits for it any more.
    fn provide(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Credential, Unavailable>> + Send;
}

/// A provider that asks a closure for tokens: see [`bearer`] and the others.
pub struct Tokens<F, T> {
    mechanism: Mechanism,
    closure: F,
    token: PhantomData<fn() -> T>,
}

impl<F, T> fmt::Debug for Tokens<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mechanism, closure: _, token: PhantomData } = self;
        f.debug_struct("Tokens").field("mechanism", mechanism).finish_non_exhaustive()
    }
}

impl<F, Fut, T, E> Provider for Tokens<F, (T, E)>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
    T: Into<String> + 'static,
    E: Into<Unavailable> + 'static,
{
    fn carrier(&self) -> Carrier {
        if self.mechanism == Mechanism::Ticket {
            Carrier::Query { name: Mechanism::Ticket.name().to_owned() }
        } else {
            Carrier::Message
        }
    }

    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        match (self.closure)(request).await {
            Ok(token) => Ok(Credential::new(self.mechanism, token)?),
            Err(error) => Err(error.into()),
        }
    }
}

fn tokens<F, Fut, T, E>(mechanism: Mechanism, closure: F) -> Tokens<F, (T, E)>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
{
    Tokens { mechanism, closure, token: PhantomData }
}

/// Access tokens (RFC 6750).
///
/// ```
/// use vestibule_client::{Unavailable, auth::bearer};
///
/// let provider = bearer(async |_| Ok::<_, Unavailable>("eyJhbGciOi..."));
/// ```
pub fn bearer<F, Fut, T, E>(closure: F) -> Tokens<F, (T, E)>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
{
    tokens(Mechanism::Bearer, closure)
}

/// Single-use tickets, in the query: the closure gets a new one each time, for example from
/// `POST /auth/ticket`.
pub fn ticket<F, Fut, T, E>(closure: F) -> Tokens<F, (T, E)>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
{
    tokens(Mechanism::Ticket, closure)
}

/// API keys.
pub fn api_key<F, Fut, T, E>(closure: F) -> Tokens<F, (T, E)>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
{
    tokens(Mechanism::ApiKey, closure)
}

/// Tokens of sessions.
pub fn session<F, Fut, T, E>(closure: F) -> Tokens<F, (T, E)>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
{
    tokens(Mechanism::Session, closure)
}

/// A provider with a second way: see [`step_up`].
#[derive(Debug)]
pub struct SteppingUp<P, S> {
    first: P,
    second: S,
}

/// Connects by `first`, and shows `second` when the server asks for a second proof on an open
/// connection.
///
/// ```
/// use vestibule_client::{Unavailable, auth::{bearer, scram, step_up}};
///
/// let token = bearer(async |_| Ok::<_, Unavailable>("eyJhbGciOi..."));
/// let password = scram("alice", "correct horse");
/// let provider = step_up(token, password);
/// ```
pub fn step_up<P: Provider, S: Provider>(first: P, second: S) -> SteppingUp<P, S> {
    SteppingUp { first, second }
}

impl<P: Provider, S: Provider> Provider for SteppingUp<P, S> {
    fn carrier(&self) -> Carrier {
        self.first.carrier()
    }

    fn proof(&self) -> Proof {
        self.first.proof()
    }

    fn step_up(&self) -> Proof {
        self.second.proof()
    }

    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        match request.reason {
            AskReason::StepUp => self.second.provide(request).await,
            AskReason::Connect | AskReason::Reconnect | AskReason::Refresh | AskReason::Refused => {
                self.first.provide(request).await
            }
        }
    }
}

/// A provider of cookies: see [`cookie`].
pub struct Cookies<P> {
    name: String,
    values: P,
}

impl<P> fmt::Debug for Cookies<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, values: _ } = self;
        f.debug_struct("Cookies").field("name", name).finish_non_exhaustive()
    }
}

/// The values of a cookie of this name. The gateway counts a cookie only with an `Origin` that the
/// route allows: give one to the builder.
pub fn cookie<F, Fut, T, E>(name: impl Into<String>, closure: F) -> Cookies<Tokens<F, (T, E)>>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
{
    Cookies { name: name.into(), values: tokens(Mechanism::Session, closure) }
}

impl<P: Provider> Provider for Cookies<P> {
    fn carrier(&self) -> Carrier {
        Carrier::Cookie { name: self.name.clone() }
    }

    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        self.values.provide(request).await
    }
}

/// A provider of signatures: see [`public_key`].
pub struct Keys<F> {
    fingerprint: String,
    sign: F,
}

impl<F> fmt::Debug for Keys<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fingerprint, sign: _ } = self;
        f.debug_struct("Keys").field("fingerprint", fingerprint).finish_non_exhaustive()
    }
}

/// A private key, which stays where it is: the closure signs the bytes that it is given. It must
/// not sign others that look like these by the same way. `fingerprint` is that of the public key, as
/// OpenSSH shows it.
pub fn public_key<F, Fut>(fingerprint: impl Into<String>, sign: F) -> Keys<F>
where
    F: Fn(Vec<u8>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
{
    Keys { fingerprint: fingerprint.into(), sign }
}

impl<F, Fut> Provider for Keys<F>
where
    F: Fn(Vec<u8>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
{
    fn proof(&self) -> Proof {
        Proof::Response
    }

    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        beginning(request)?;
        Ok(Credential::public_key(self.fingerprint.as_str(), self.sign.clone())?)
    }
}

/// A provider of tokens that are bound to a key: see [`dpop`].
pub struct BoundTokens<F, T, S> {
    tokens: Tokens<F, T>,
    jwk: String,
    sign: S,
}

impl<F, T, S> fmt::Debug for BoundTokens<F, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Somebody may have given the whole key.
        f.debug_struct("BoundTokens").finish_non_exhaustive()
    }
}

/// Access tokens that are bound to a key (RFC 9449), which stays where it is: `closure` gives a token,
/// `jwk` is the public half of the key, a JSON Web Key of Ed25519 or P-256, and `sign` signs the bytes
/// that it is given, raw. Only the key's owner can use such a token.
pub fn dpop<F, Fut, T, E, S, Signing>(
    closure: F,
    jwk: impl Into<String>,
    sign: S,
) -> BoundTokens<F, (T, E), S>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
    S: Fn(Vec<u8>) -> Signing + Clone + Send + Sync + 'static,
    Signing: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
{
    BoundTokens { tokens: tokens(Mechanism::Dpop, closure), jwk: jwk.into(), sign }
}

impl<F, Fut, T, E, S, Signing> Provider for BoundTokens<F, (T, E), S>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
    T: Into<String> + 'static,
    E: Into<Unavailable> + 'static,
    S: Fn(Vec<u8>) -> Signing + Clone + Send + Sync + 'static,
    Signing: Future<Output = Result<Signature, Unavailable>> + Send + 'static,
{
    fn proof(&self) -> Proof {
        Proof::Response
    }

    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        beginning(request)?;
        match (self.tokens.closure)(request).await {
            Ok(token) => Ok(Credential::dpop(token, &self.jwk, self.sign.clone())?),
            Err(error) => Err(error.into()),
        }
    }
}

/// A provider of exchanges by password: see [`scram`].
pub struct Passwords {
    user: String,
    password: Zeroizing<String>,
    binding: Binding,
}

/// Whether an exchange is bound to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binding {
    None,
    Tls,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user: _, password: _, binding } = self;
        f.debug_struct("Passwords").field("binding", binding).finish_non_exhaustive()
    }
}

/// A password, which does not travel (SCRAM-SHA-256). The connection counts only once the server
/// has shown that it knows the password too.
pub fn scram(user: impl Into<String>, password: impl Into<String>) -> Passwords {
    let password = Zeroizing::new(password.into());
    Passwords { user: user.into(), password, binding: Binding::None }
}

/// The same, bound to the TLS 1.3 connection (SCRAM-SHA-256-PLUS, RFC 9266): nobody between this
/// client and the gateway can pass the exchange on. The gateway itself must end TLS, and its route take
/// `scram-sha-256-plus`.
pub fn scram_plus(user: impl Into<String>, password: impl Into<String>) -> Passwords {
    Passwords { binding: Binding::Tls, ..scram(user, password) }
}

/// A client certificate: give it to the builder by [`Tls::showing`](crate::handshake::Tls::showing).
/// It counts in the handshake, where the route accepts `tls`; with [`Carrier::Message`] it is named in a
/// message.
#[derive(Clone, Copy, Debug)]
pub struct Certificate;

/// See [`Certificate`].
pub fn certificate() -> Certificate {
    Certificate
}

impl Provider for Certificate {
    fn carrier(&self) -> Carrier {
        Carrier::Tls
    }

    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        match request.reason {
            AskReason::Connect | AskReason::Reconnect | AskReason::Refused => {
                Ok(Credential::certificate())
            }
            // That of an open connection was seen, and there is no other.
            AskReason::Refresh | AskReason::StepUp => Err(Unavailable::ForGood),
        }
    }
}

impl Provider for Passwords {
    fn proof(&self) -> Proof {
        Proof::Response
    }

    async fn provide(&self, request: Request) -> Result<Credential, Unavailable> {
        beginning(request)?;
        // What cannot be a name or a password is none the next time either.
        let begun = match self.binding {
            Binding::None => Credential::scram(&self.user, &self.password),
            Binding::Tls => Credential::scram_plus(&self.user, &self.password),
        };
        begun.map_err(|_| Unavailable::ForGood)
    }
}

/// An open connection is not refreshed like this: it is replaced when its lease ends.
fn beginning(request: Request) -> Result<(), Unavailable> {
    match request.reason {
        AskReason::Connect | AskReason::Reconnect | AskReason::Refused | AskReason::StepUp => {
            Ok(())
        }
        AskReason::Refresh => Err(Unavailable::ForGood),
    }
}

//! Before admission: a line. Every stage is a value, every method spends it, and the [`Step`] says
//! what is needed next. A stage cannot be skipped, because the next one demands what only the
//! check can make: [`OriginAllowed`], then [`Verified`](crate::authn::Verified), then [`Admission`].

mod admission;

mod per_message;

use core::time::Duration;

pub use self::admission::Admission;
use crate::{
    authn::{
        Answerer, Challenge, ConnectionId, Credential, Exchange, Finding, Principal, Proof,
        Question, Verdict,
        message::{ClientMessage, ServerMessage, TryAgain},
    },
    limits,
    policy::{Announce, Carrier, Channel, RejectStyle, RoutePolicy, origin::OriginAllowed},
    rejection::Rejection,
    session::Lease,
    time::{Mono, Now},
};

/// What is needed next.
#[derive(Debug)]
#[must_use = "a step that is dropped leaves its connection hanging"]
pub enum Step {
    /// Say no.
    Refuse(Refusal),
    /// Have the question answered, then [`NeedsVerdict::resolve`].
    Verify(NeedsVerdict, Question),
    /// Complete the upgrade if that has not been done, say what there is to say, and wait for one
    /// text message: [`NeedsMessage::receive`].
    AwaitMessage(NeedsMessage, Option<String>),
    /// Say the challenge, and wait for one text message: [`NeedsResponse::receive`].
    AwaitResponse(NeedsResponse, String),
    /// Let it in: dial the upstream, then [`crate::session::Session::open`].
    Admit(Admission),
}

/// A no, and how it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub rejection: Rejection,
    /// By an HTTP answer, or by a Close.
    pub manner: Manner,
    /// A message to send before the Close.
    pub say: Option<String>,
}

/// How a no is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As the HTTP answer to the handshake.
    Http,
    /// As a Close frame, after the upgrade.
    Close,
}

/// Whether the client has spoken the in-band protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InBand {
    /// It has, and understands an answer.
    Spoken,
    /// It has not.
    Silent,
}

/// Begins the line for a request whose head, host and origin have been checked. The deadline runs
/// since `accepted`: a slow head leaves less time for a message.
pub fn begin(
    id: ConnectionId,
    origin: OriginAllowed,
    credential: Option<(Carrier, Credential)>,
    channel: Channel,
    policy: &RoutePolicy,
    accepted: Mono,
) -> Step {
    let deadline = accepted.after(policy.auth_deadline);
    let patience = Patience::Whole;
    let stranger = Stranger { id, origin, channel, deadline, patience, messages: 0, attempts: 0 };
    match credential {
        // Somebody's browser may have attached it; without an origin nobody can say for whom.
        Some((Carrier::Cookie | Carrier::Tls, _)) if !stranger.origin.is_present() => {
            stranger.refuse(Rejection::OriginNotAllowed, policy)
        }
        Some((carrier, credential)) if policy.mechanisms.contains(&credential.mechanism) => {
            stranger.ask(carrier, credential)
        }
        Some((carrier, _)) if carrier.is_explicit() => {
            stranger.refused(carrier, Rejection::MechanismNotAllowed, policy)
        }
        Some(_) | None => stranger.await_or_refuse(Rejection::CredentialRequired, policy),
    }
}

/// How a refusal of a handshake is said: a browser shows its script nothing but a Close, and a
/// foreign page is to learn nothing at all.
pub fn manner(rejection: Rejection, origin: Option<&OriginAllowed>, style: RejectStyle) -> Manner {
    let (Some(origin), RejectStyle::Auto | RejectStyle::Close) = (origin, style) else {
        return Manner::Http;
    };
    match (rejection, style) {
        (Rejection::OriginNotAllowed, _) => Manner::Http,
        // Said of a header field, which no page can set, to somebody who needs the answer's fields.
        (Rejection::DpopProofInvalid, _) => Manner::Http,
        (Rejection::DpopNonceWanted, _) => Manner::Http,
        (_, RejectStyle::Close) => Manner::Close,
        (_, RejectStyle::Auto | RejectStyle::Http) if origin.is_present() => Manner::Close,
        (_, RejectStyle::Auto | RejectStyle::Http) => Manner::Http,
    }
}

/// Whether a client whose credential came this way is told what becomes of it in a message.
fn is_told(carrier: Carrier, policy: &RoutePolicy) -> bool {
    carrier == Carrier::Message || policy.tells_all()
}

/// Whether the principal may what the route wants, and is known as well as it wants: every scope,
/// then the assurance. The one place for both: the door, a refresh and the endpoints ask here.
pub fn check_demands(principal: &Principal, policy: &RoutePolicy) -> Result<(), Rejection> {
    if !policy.scopes.iter().all(|wanted| principal.scopes.contains(wanted)) {
        return Err(Rejection::InsufficientScope);
    }
    policy.assurance.check(principal)
}

/// Waiting for the answer to a question.
#[derive(Debug)]
pub struct NeedsVerdict {
    stranger: Stranger,
    carrier: Carrier,
    data: Option<Box<[u8]>>,
}

impl NeedsVerdict {
    /// When the wait must end.
    pub fn deadline(&self) -> Mono {
        self.stranger.deadline
    }

    /// Whether the client will be told if it is accepted.
    pub fn is_told(&self, policy: &RoutePolicy) -> bool {
        is_told(self.carrier, policy)
    }

    /// The answer has come.
    pub fn resolve(self, verdict: Verdict, policy: &RoutePolicy, now: Now) -> Step {
        let Self { stranger, carrier, data } = self;
        let id = stranger.id;
        let said = if now.mono >= stranger.deadline {
            Err(Rejection::AuthTimeout)
        } else {
            verdict.for_asker(id).unwrap_or(Err(Rejection::Internal))
        };
        let said = match said {
            Ok(Finding::Challenged(challenge)) => {
                return stranger.challenge(carrier, challenge, policy, now);
            }
            Ok(Finding::Genuine(verified, proof)) => Ok((verified, proof)),
            Err(rejection) => Err(rejection),
        };
        let admitted = said.and_then(|(verified, proof)| {
            let principal = verified.principal();
            check_demands(principal, policy)?;
            let lease = Lease::granted(principal, policy, now).ok_or(Rejection::TokenExpired)?;
            Ok((verified, proof, lease))
        });
        match admitted {
            Ok((verified, proof, lease)) => {
                let in_band = match carrier {
                    Carrier::Message => InBand::Spoken,
                    Carrier::Header
                    | Carrier::Cookie
                    | Carrier::Query
                    | Carrier::Subprotocol
                    | Carrier::Tls
                    | Carrier::PerMessage => InBand::Silent,
                };
                let origin = stranger.origin;
                Step::Admit(Admission {
                    id,
                    verified,
                    lease,
                    in_band,
                    proof,
                    carrier,
                    origin,
                    data,
                })
            }
            Err(rejection) => stranger.refused(carrier, rejection, policy),
        }
    }
}

/// Waiting for a message that authenticates.
#[derive(Debug)]
pub struct NeedsMessage {
    stranger: Stranger,
}

impl NeedsMessage {
    /// When the wait must end.
    pub fn deadline(&self) -> Mono {
        self.stranger.deadline
    }

    /// A text message has come.
    pub fn receive(self, text: &[u8], policy: &RoutePolicy, now: Now) -> Step {
        self.stranger.hear(text, None, policy, now)
    }

    /// Something other than a message has come: the deadline, a broken frame.
    pub fn fail(self, rejection: Rejection) -> Step {
        close(rejection)
    }
}

/// Waiting for the response to a challenge. Whatever comes spends the challenge.
#[derive(Debug)]
pub struct NeedsResponse {
    stranger: Stranger,
    challenged: Challenged,
}

#[derive(Debug)]
struct Challenged {
    exchange: Exchange,
    expires: Mono,
}

impl NeedsResponse {
    /// When the wait must end. The challenge may be over before; then another credential can still
    /// be presented.
    pub fn deadline(&self) -> Mono {
        self.stranger.deadline
    }

    /// A text message has come.
    pub fn receive(self, text: &[u8], policy: &RoutePolicy, now: Now) -> Step {
        self.stranger.hear(text, Some(self.challenged), policy, now)
    }

    /// Something other than a message has come: the deadline, a broken frame.
    pub fn fail(self, rejection: Rejection) -> Step {
        close(rejection)
    }
}

fn close(rejection: Rejection) -> Step {
    Step::Refuse(Refusal { rejection, manner: Manner::Close, say: None })
}

/// Somebody whose origin is allowed, and of whom nothing else is known.
#[derive(Debug)]
struct Stranger {
    id: ConnectionId,
    origin: OriginAllowed,
    channel: Channel,
    deadline: Mono,
    patience: Patience,
    messages: u32,
    attempts: u32,
}

/// Whether the deadline can still be moved for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It can, once.
    Whole,
    /// It was: whoever asks for challenges without end does not stay without end.
    Spent,
}

impl Stranger {
    /// A text message has come, while a challenge was out or not.
    fn hear(
        mut self,
        text: &[u8],
        challenged: Option<Challenged>,
        policy: &RoutePolicy,
        now: Now,
    ) -> Step {
        if now.mono >= self.deadline {
            return close(Rejection::AuthTimeout);
        }
        if policy.is_per_message() {
            return self.hear_envelope(text, policy);
        }
        self.messages += 1;
        if self.messages > limits::MESSAGES_BEFORE_ADMISSION {
            return close(Rejection::TooManyAttempts);
        }
        match (ClientMessage::parse(text), challenged) {
            (Ok(ClientMessage::Authenticate(credential)), _)
                if policy.mechanisms.contains(&credential.mechanism) =>
            {
                // Who begins anew instead of answering has tried, too.
                if self.attempts >= limits::ATTEMPTS {
                    return close(Rejection::TooManyAttempts);
                }
                self.attempts += 1;
                self.present(credential, policy)
            }
            (Ok(ClientMessage::Authenticate(_)), _) => close(Rejection::MechanismNotAllowed),
            (Ok(ClientMessage::Respond(response)), Some(Challenged { exchange, expires })) => {
                if now.mono >= expires {
                    let rejection = Rejection::CredentialsInvalid;
                    return self.refused(Carrier::Message, rejection, policy);
                }
                let question = Question::of_response(self.id, exchange, response);
                let (carrier, data) = (Carrier::Message, None);
                Step::Verify(NeedsVerdict { stranger: self, carrier, data }, question)
            }
            (Ok(ClientMessage::Respond(_)), None) | (Ok(ClientMessage::Refresh(_)), _) => {
                close(Rejection::MalformedMessage)
            }
            (Ok(ClientMessage::Logout), _) => close(Rejection::LoggedOut),
            // The message is one, and the credential in it is none.
            (Err(rejection @ Rejection::TokenMalformed), _) => {
                self.attempts += 1;
                self.refused(Carrier::Message, rejection, policy)
            }
            (Err(rejection), _) => close(rejection),
        }
    }

    /// A message presents a credential. What the connection is to prove, it must be able to; and a
    /// certificate was attached by whoever made the connection, which a browser does for any page.
    fn present(self, credential: Credential, policy: &RoutePolicy) -> Step {
        let mechanism = credential.mechanism;
        match (mechanism.proof(), self.channel.offers(mechanism)) {
            (Proof::Connection, false) => {
                self.refused(Carrier::Message, Rejection::CredentialRequired, policy)
            }
            (Proof::Token | Proof::Response, false) => close(Rejection::MechanismNotAllowed),
            (Proof::Connection, true) if !self.origin.is_present() => {
                close(Rejection::OriginNotAllowed)
            }
            (Proof::Connection | Proof::Token | Proof::Response, true) => {
                self.ask(Carrier::Message, credential)
            }
        }
    }

    /// Asks back. A handshake has no room for that.
    fn challenge(
        mut self,
        carrier: Carrier,
        challenge: Challenge,
        policy: &RoutePolicy,
        now: Now,
    ) -> Step {
        match carrier {
            Carrier::Message => {}
            Carrier::Header
            | Carrier::Cookie
            | Carrier::Query
            | Carrier::Subprotocol
            | Carrier::Tls
            | Carrier::PerMessage => return self.refused(carrier, Rejection::Internal, policy),
        }
        let Challenge { demand, exchange } = challenge;
        let answerer = demand.answerer();
        let expires = now.mono.after(answerer.patience());
        match (answerer, self.patience) {
            (Answerer::Person, Patience::Whole) if expires > self.deadline => {
                self.deadline = expires;
                self.patience = Patience::Spent;
            }
            (Answerer::Program | Answerer::Person, Patience::Whole | Patience::Spent) => {}
        }
        let expires_in = answerer.patience().min(now.mono.until(self.deadline));
        let say = ServerMessage::Challenge { demand: &demand, expires_in }.render();
        let challenged = Challenged { exchange, expires };
        Step::AwaitResponse(NeedsResponse { stranger: self, challenged }, say)
    }

    fn ask(self, carrier: Carrier, credential: Credential) -> Step {
        let question = Question::new(self.id, credential);
        Step::Verify(NeedsVerdict { stranger: self, carrier, data: None }, question)
    }

    fn refused(self, carrier: Carrier, rejection: Rejection, policy: &RoutePolicy) -> Step {
        match carrier {
            Carrier::PerMessage => self.refused_message(rejection),
            Carrier::Message => {
                let retry = match TryAgain::after(rejection) {
                    TryAgain::Yes if self.attempts < limits::ATTEMPTS => TryAgain::Yes,
                    TryAgain::Yes | TryAgain::No => TryAgain::No,
                };
                let say = Some(ServerMessage::Rejected { rejection, retry }.render());
                match retry {
                    TryAgain::Yes => Step::AwaitMessage(NeedsMessage { stranger: self }, say),
                    TryAgain::No => Step::Refuse(Refusal { rejection, manner: Manner::Close, say }),
                }
            }
            // An ambient credential that does not verify counts as none.
            Carrier::Cookie | Carrier::Tls => self.await_or_refuse(rejection, policy),
            Carrier::Header | Carrier::Query | Carrier::Subprotocol => {
                self.refuse(rejection, policy)
            }
        }
    }

    fn await_or_refuse(self, otherwise: Rejection, policy: &RoutePolicy) -> Step {
        if policy.accept.contains(&Carrier::Message) {
            let say = match policy.announce {
                Announce::Yes => Some(required(self.channel, policy)),
                Announce::No => None,
            };
            return Step::AwaitMessage(NeedsMessage { stranger: self }, say);
        }
        if policy.is_per_message() {
            return Step::AwaitMessage(NeedsMessage { stranger: self }, None);
        }
        self.refuse(otherwise, policy)
    }

    fn refuse(self, rejection: Rejection, policy: &RoutePolicy) -> Step {
        let manner = manner(rejection, Some(&self.origin), policy.reject);
        Step::Refuse(Refusal { rejection, manner, say: None })
    }
}

/// Of what the route takes, what can be used on this connection.
fn required(channel: Channel, policy: &RoutePolicy) -> String {
    let timeout: Duration = policy.auth_deadline;
    let mechanisms: Vec<_> =
        policy.mechanisms.iter().copied().filter(|it| channel.offers(*it)).collect();
    ServerMessage::Required { mechanisms: &mechanisms, timeout }.render()
}

#[cfg(test)]
mod exchanges;
#[cfg(test)]
mod patience;
#[cfg(test)]
pub(crate) mod tests;

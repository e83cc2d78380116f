//! The tokens that issuers are asked about: which go where, and those by which somebody is connected.
//!
//! A token is judged by the key sets or by whoever is asked, never by both, so that no token has two
//! chances. A JWT that a key-set issuer of the route may have issued is for the key sets: one whose
//! `iss` is that issuer's, and any at all where a key-set issuer does not look at `iss`. Every other
//! token is for the issuers that are asked, in the order of the route. Of these, a JWT that names its
//! issuer is shown to that issuer, and to those who do not look at the name: nobody gets another's
//! tokens to see.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;
use vestibule_core::{
    authn::{Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    jwt::{self, Binding, Checked},
};

use super::{Authority, Look, Member, Trusted, weight};
use crate::{
    introspection::{Good, Introspector, Observer},
    limits,
    memory::Fingerprint,
    readiness::Readiness,
};

/// The name of a token in what is kept about it: a keyed hash, which says nothing about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenName(Fingerprint);

/// What is kept of a token by which somebody is connected, so that its issuer can be asked again.
#[derive(Clone)]
pub struct Standing {
    /// What it is called.
    pub name: TokenName,
    /// Whose it was.
    pub principal: Arc<Principal>,
    /// When its issuer was asked: it was good then.
    pub asked: Instant,
    /// When it ends by itself. Nobody has to be asked about it from then on.
    pub expires: UnixTime,
    /// How often it is asked.
    pub recheck: Duration,
    /// How long it counts when the issuer cannot be asked; `None` is for as long as it lives.
    pub max_stale: Option<Duration>,
    /// What it is bound to: whoever is connected has shown that.
    binding: Binding,
    token: Secret,
    issuer: Arc<Introspector>,
}

/// What an issuer says when it is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// The token is as good as it was.
    Good {
        /// When that was asked.
        asked: Instant,
    },
    /// It is not, or allows less, or is somebody else's.
    Gone(Refused),
    /// It cannot be asked.
    Later(Refused),
    /// The token has come to its own end: those who live by it have been told of that, and may have
    /// a while to bring another.
    Over,
}

impl Authority {
    /// Tells somebody about every question from now on; the first one who asks for it.
    pub fn observe(&self, observer: &Arc<dyn Observer>) {
        for asked in self.members.iter().filter_map(Trusted::asked) {
            asked.observe(Arc::clone(observer));
        }
    }

    /// Whether tokens of one of these issuers have to be asked about.
    fn asks(&self, issuers: &[usize]) -> bool {
        self.asked(issuers).next().is_some()
    }

    /// What is to be kept of the token by which somebody was let in a moment ago, or of the one that was
    /// exchanged for what let them in, so that it can be asked about again; `None` where nobody is
    /// asked about it.
    pub fn standing(&self, verified: &Verified) -> Option<Standing> {
        let principal = verified.principal();
        let name = principal.token_id.as_deref()?;
        let vouches = |asked: &&Arc<Introspector>| {
            let Trusting { issuer, name } = trusting(asked);
            principal.issuer == *issuer.unwrap_or(name)
        };
        let mut asked = self.members.iter().filter_map(Trusted::asked).filter(vouches);
        // Two may vouch for the same issuer: the one that has done so.
        let (issuer, good) = asked.find_map(|asked| Some((asked, asked.good(name)?)))?;
        let Good { token, binding, expires, asked, .. } = good;
        Some(Standing {
            name: TokenName(issuer.fingerprint(&token)),
            principal: Arc::clone(principal),
            asked,
            expires,
            recheck: issuer.policy.recheck,
            max_stale: issuer.policy.max_stale,
            binding,
            token,
            issuer: Arc::clone(issuer),
        })
    }

    /// The issuers that are asked, among these.
    fn asked<'a>(&'a self, issuers: &'a [usize]) -> impl Iterator<Item = &'a Arc<Introspector>> {
        issuers.iter().filter_map(|&index| self.members.get(index)?.asked())
    }

    /// Who is asked about a token; `None` where it is for the key sets.
    pub(super) fn asked_about(
        &self,
        issuers: &[usize],
        token: &[u8],
    ) -> Option<Vec<Arc<Introspector>>> {
        if !self.asks(issuers) {
            return None;
        }
        let contents = jwt::inspect(token).ok();
        let named = contents.as_ref().map(|said| said.claims.get("iss").and_then(Value::as_str));
        if let Some(named) = named
            && self.possible(issuers, named).next().is_some()
        {
            return None;
        }
        let may_be_its = |asked: &&Arc<Introspector>| match (named, &asked.expectations.issuer) {
            (Some(Some(named)), Some(issuer)) => named == &**issuer,
            (Some(Some(_)), None) | (Some(None) | None, _) => true,
        };
        Some(self.asked(issuers).filter(may_be_its).take(limits::ISSUERS_TRIED).cloned().collect())
    }

    /// What is known without asking.
    pub(super) fn look_among(
        &self,
        asked: Vec<Arc<Introspector>>,
        issuers: &[usize],
        token: &Secret,
        wall: UnixTime,
        now: Instant,
    ) -> Look {
        if !is_askable(token) {
            let reason = "neither a JWT nor of the form of a token (RFC 6750 section 2.1)";
            return Look::Answer(Err(Refused::new(Rejection::TokenMalformed, reason)));
        }
        let known: Vec<_> = asked.iter().map(|asked| asked.known(token, wall, now)).collect();
        if let Some(good) = known.iter().flatten().find(|known| known.is_ok()) {
            return Look::Answer(good.clone());
        }
        if asked.is_empty() {
            let contents = jwt::inspect(token.expose()).ok();
            let named = contents.as_ref().and_then(|said| said.claims.get("iss")?.as_str());
            return Look::Answer(Err(self.nobody(issuers, named)));
        }
        match known.into_iter().collect::<Option<Vec<_>>>() {
            Some(known) => Look::Answer(most_telling(known)),
            None => Look::Ask(asked),
        }
    }

    /// Asks them in turn.
    pub(super) async fn consult(
        &self,
        asked: &[Arc<Introspector>],
        token: &Secret,
        wall: impl Fn() -> UnixTime,
    ) -> Result<Checked, Refused> {
        let mut said = Vec::with_capacity(asked.len());
        for asked in asked {
            let result = match asked.known(token, wall(), Instant::now()) {
                Some(known) => known,
                None => asked.ask(token, &wall).await,
            };
            match result {
                Ok(checked) if self.is_revoked(checked.principal()) => {
                    let reason = "a token that is active, and was revoked";
                    return Err(Refused::new(Rejection::TokenRevoked, reason));
                }
                Ok(checked) => return Ok(checked),
                Err(refused) => said.push(Err(refused)),
            }
        }
        most_telling(said)
    }
}

impl Trusted {
    pub(super) fn keys(&self) -> Option<&Member> {
        match self {
            Self::Keys(member) => Some(member),
            Self::Asked(_) => None,
        }
    }

    pub(super) fn asked(&self) -> Option<&Arc<Introspector>> {
        match self {
            Self::Keys(_) => None,
            Self::Asked(asked) => Some(asked),
        }
    }

    pub(super) fn expectations(&self) -> &jwt::Expectations {
        match self {
            Self::Keys(member) => &member.expectations,
            Self::Asked(asked) => &asked.expectations,
        }
    }

    pub(super) fn tend(&self, now: Instant) -> Option<Instant> {
        match self {
            Self::Keys(member) => member.source.tend(now),
            Self::Asked(asked) => asked.tend(now),
        }
    }

    pub(super) fn readiness(&self, now: Instant) -> Readiness {
        match self {
            Self::Keys(member) => member.source.readiness(now),
            Self::Asked(asked) => asked.readiness(now),
        }
    }
}

impl Standing {
    /// Asks its issuer again. Who else asks about the same token waits for the same answer.
    ///
    /// A wrong [`Again::Gone`] ends connections, a wrong [`Again::Good`] lets somebody stay who was
    /// shut out.
    pub async fn ask_again(&self, wall: impl Fn() -> UnixTime) -> Again {
        let TokenName(name) = self.name;
        if wall() >= self.expires {
            return Again::Over;
        }
        let asked = Instant::now();
        match self.issuer.ask_again(name, &self.token, &wall).await {
            Ok(checked) => match self.is_less(&checked) {
                Some(why) => Again::Gone(Refused::new(Rejection::TokenRevoked, why)),
                // Perhaps it was somebody else who asked, a moment ago.
                None => Again::Good {
                    asked: self.issuer.last_asked(&name).map_or(asked, |last| last.min(asked)),
                },
            },
            Err(refused) if refused.rejection == Rejection::Unavailable => Again::Later(refused),
            Err(_) if wall() >= self.expires => Again::Over,
            Err(refused) => Again::Gone(refused),
        }
    }

    /// Whether less is said of it now than when it let somebody in.
    fn is_less(&self, now: &Checked) -> Option<&'static str> {
        if now.binding() != self.binding {
            return Some("the token is bound to something else now");
        }
        let now = now.principal();
        if !now.is_same_identity(&self.principal) {
            return Some("the token is somebody else's now");
        }
        let kept = self.principal.scopes.iter().all(|scope| now.scopes.contains(scope));
        (!kept).then_some("the token allows less than it did")
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, principal: _, asked, expires, recheck, max_stale, issuer, .. } = self;
        f.debug_struct("Standing")
            .field("name", name)
            .field("asked", asked)
            .field("expires", expires)
            .field("recheck", recheck)
            .field("max_stale", max_stale)
            .field("issuer", issuer.name())
            .finish_non_exhaustive()
    }
}

struct Trusting<'a> {
    issuer: Option<&'a Arc<str>>,
    name: &'a Arc<str>,
}

/// What principals call an issuer.
fn trusting(asked: &Introspector) -> Trusting<'_> {
    let expectations = &asked.expectations;
    Trusting { issuer: expectations.issuer.as_ref(), name: &expectations.issuer_name }
}

/// Whether an issuer is asked about it at all.
fn is_askable(token: &Secret) -> bool {
    let token = token.expose();
    let most = vestibule_core::limits::CREDENTIAL_BYTES;
    (1..=most).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic)
}

/// The first yes, else the no that says most.
fn most_telling(said: Vec<Result<Checked, Refused>>) -> Result<Checked, Refused> {
    let mut most: Option<Refused> = None;
    for said in said {
        match said {
            Ok(checked) => return Ok(checked),
            Err(refused) => {
                if most.as_ref().is_none_or(|most| weight(&refused) > weight(most)) {
                    most = Some(refused);
                }
            }
        }
    }
    Err(most.unwrap_or_else(|| Refused::new(Rejection::Internal, "nobody was asked")))
}

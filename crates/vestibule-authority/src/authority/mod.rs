//! Whom to believe: answers questions about credentials with the keys at hand, and gets keys.

mod asked;
mod build;
pub(crate) mod presented;

use std::{future::pending, sync::Arc};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use vestibule_core::{
    authn::{Credential, Principal, Secret, Verified},
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    jwt::{self, Checked, Holder, Unverified},
};

use self::presented::Presented;
pub use self::{
    asked::{Again, Standing, TokenName},
    build::{AuthorityError, AuthorityFault},
};
use crate::{
    introspection::Introspector,
    limits,
    memory::{Fingerprint, Memory},
    readiness::Readiness,
    revocation::Revocations,
    schedule::Want,
    source::{Snapshot, Source},
    words,
};

/// The configured issuers and their keys, shared by all threads.
///
/// A question is answered by [`Authority::check_now`] wherever the keys are at hand, without waiting
/// and with no lock but for the clone of an `Arc`; where it returns `None`, [`Authority::check`]
/// fetches them first. [`Authority::keep_fresh`] must run beside, or keys are fetched only when
/// somebody needs them, and files are not read again.
#[derive(Debug)]
pub struct Authority {
    members: Vec<Trusted>,
    memory: Memory<Remembered>,
    wake: Arc<Notify>,
    revocations: Option<Arc<Revocations>>,
}

/// Somebody whose tokens count.
#[derive(Debug)]
enum Trusted {
    /// By keys of his.
    Keys(Member),
    /// He is asked.
    Asked(Arc<Introspector>),
}

#[derive(Debug)]
struct Member {
    expectations: jwt::Expectations,
    source: Arc<Source>,
}

/// A token that was good once.
#[derive(Clone, Debug)]
struct Remembered {
    checked: Checked,
    /// When. `nbf` and `iat` were good then, and are so for as long as the clock is not set back.
    since: UnixTime,
    /// Whose keys verified it, and which version of them.
    member: usize,
    version: u64,
}

/// What can be said with the keys at hand.
enum Look {
    Answer(Result<Checked, Refused>),
    /// Refused, but newer keys of these issuers may say otherwise, and may be asked for.
    Doubt(Refused, Vec<(usize, Want)>),
    /// These issuers have to be asked.
    Ask(Vec<Arc<Introspector>>),
}

/// What one issuer's keys say.
enum Opinion {
    /// By that version of the keys.
    Good(Checked, u64),
    Bad(Refused),
    Doubtful(Refused, Want),
}

impl Authority {
    /// Answers with the keys at hand; `None` if keys must be fetched first: because there are none
    /// yet, or because no key fits and all clients together have a fetch to spend. Also `None` if an
    /// issuer must be asked.
    ///
    /// `issuers` are the indexes of those allowed, in the order given to [`Authority::new`]; a token
    /// of any other is refused, and so is every token if there are none. A token that is bound to a key
    /// or a certificate is refused, see [`Authority::check_now_held`] and [`Authority::examine`].
    pub fn check_now(
        &self,
        credential: &Credential,
        issuers: &[usize],
        wall: UnixTime,
    ) -> Option<Result<Verified, Refused>> {
        self.check_now_held(credential, &Holder::BEARER, issuers, wall)
    }

    /// The same, for a client that shows something beside its token: a certificate in TLS, to which the
    /// token may be bound (RFC 8705 section 3).
    pub fn check_now_held(
        &self,
        credential: &Credential,
        holder: &Holder,
        issuers: &[usize],
        wall: UnixTime,
    ) -> Option<Result<Verified, Refused>> {
        let presented = match Presented::of(credential) {
            Ok(presented) => presented,
            Err(refused) => return Some(Err(refused)),
        };
        let examined = self.examine_now(presented.token(), issuers, wall)?;
        Some(examined.and_then(|checked| presented.opens(checked, holder, wall)))
    }

    /// Answers, after a fetch where [`Authority::check_now`] returned `None`. All callers wait for
    /// the same fetch; dropping the future leaves it running for the others. `wall` is read again
    /// after each wait.
    ///
    /// Without keys the answer is [`Rejection::Unavailable`], never yes.
    pub async fn check(
        &self,
        credential: &Credential,
        issuers: &[usize],
        wall: impl Fn() -> UnixTime,
    ) -> Result<Verified, Refused> {
        self.check_held(credential, &Holder::BEARER, issuers, wall).await
    }

    /// The same, as [`Authority::check_now_held`] does.
    pub async fn check_held(
        &self,
        credential: &Credential,
        holder: &Holder,
        issuers: &[usize],
        wall: impl Fn() -> UnixTime,
    ) -> Result<Verified, Refused> {
        let presented = Presented::of(credential)?;
        let checked = self.examine(presented.token(), issuers, &wall).await?;
        presented.opens(checked, holder, wall())
    }

    /// Like [`Authority::check_now`], for a token that may be bound: what comes back says to what, and
    /// opens for who shows that.
    pub fn examine_now(
        &self,
        token: &Secret,
        issuers: &[usize],
        wall: UnixTime,
    ) -> Option<Result<Checked, Refused>> {
        match self.look(token, issuers, wall) {
            Look::Answer(result) => Some(result),
            Look::Doubt(_, _) | Look::Ask(_) => None,
        }
    }

    /// Like [`Authority::check`], for a token that may be bound.
    pub async fn examine(
        &self,
        token: &Secret,
        issuers: &[usize],
        wall: impl Fn() -> UnixTime,
    ) -> Result<Checked, Refused> {
        for _ in 0..limits::WAITS {
            match self.look(token, issuers, wall()) {
                Look::Answer(result) => return result,
                Look::Doubt(_, wants) => self.fetch(&wants).await,
                Look::Ask(asked) => return self.consult(&asked, token, &wall).await,
            }
        }
        match self.look(token, issuers, wall()) {
            Look::Answer(result) => result,
            Look::Doubt(refused, _) => Err(refused),
            Look::Ask(asked) => self.consult(&asked, token, &wall).await,
        }
    }

    /// Refreshes keys before they are old, reads changed files, tries again after failures. Never
    /// ends; belongs into one task, which ends it and keeps the `Authority` alive until then. On its
    /// runtime issuers are asked.
    pub async fn keep_fresh(self: Arc<Self>) {
        for asked in self.members.iter().filter_map(Trusted::asked) {
            asked.settle_here();
        }
        loop {
            let now = Instant::now();
            let next = self.members.iter().filter_map(|member| member.tend(now)).min();
            let alarm = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = alarm => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// The state of every issuer's keys, in the order given to [`Authority::new`].
    pub fn readiness(&self) -> Vec<Readiness> {
        let now = Instant::now();
        self.members.iter().map(|member| member.readiness(now)).collect()
    }

    /// Forgets the tokens of these principals, those that are being verified right now included, and
    /// says how many were known. No revocation needs it: what is remembered is asked about anew.
    pub fn forget(&self, whose: impl Fn(&Principal) -> bool) -> usize {
        let verified = self.memory.forget(|known| whose(known.checked.principal()));
        let asked = self.members.iter().filter_map(Trusted::asked);
        asked.map(|asked| asked.forget(&whose)).sum::<usize>() + verified
    }

    /// How many verified tokens are remembered.
    pub fn remembered(&self) -> usize {
        let asked = self.members.iter().filter_map(Trusted::asked);
        asked.map(|asked| asked.remembered()).sum::<usize>() + self.memory.len()
    }

    async fn fetch(&self, wants: &[(usize, Want)]) {
        // All of them depart before the first is waited for.
        let flights: Vec<_> = wants
            .iter()
            .filter_map(|&(index, want)| {
                let source = &self.members.get(index)?.keys()?.source;
                Some((source, source.depart(want)?))
            })
            .collect();
        for (source, ticket) in flights {
            source.arrival(ticket).await;
        }
    }

    fn look(&self, token: &Secret, issuers: &[usize], wall: UnixTime) -> Look {
        match self.look_up(token, issuers, wall) {
            // Last, so that "revoked" is said only of what is genuine, and of what was remembered
            // or verified before the revocation as well.
            Look::Answer(Ok(checked)) if self.is_revoked(checked.principal()) => {
                let reason = "a genuine token that was revoked";
                Look::Answer(Err(Refused::new(Rejection::TokenRevoked, reason)))
            }
            look @ (Look::Answer(_) | Look::Doubt(_, _) | Look::Ask(_)) => look,
        }
    }

    fn is_revoked(&self, principal: &Principal) -> bool {
        self.revocations.as_ref().is_some_and(|revocations| revocations.covers(principal))
    }

    fn look_up(&self, token: &Secret, issuers: &[usize], wall: UnixTime) -> Look {
        let now = Instant::now();
        let name = self.memory.fingerprint(issuers, token.expose());
        if let Some(checked) = self.recall(&name, wall, now) {
            return Look::Answer(Ok(checked));
        }
        if let Some(asked) = self.asked_about(issuers, token.expose()) {
            return self.look_among(asked, issuers, token, wall, now);
        }
        let epoch = self.memory.epoch();
        let token = match Unverified::parse(token.expose()) {
            Ok(token) => token,
            Err(refused) => return Look::Answer(Err(refused)),
        };
        let mut wants = Vec::new();
        let mut said: Option<Refused> = None;
        for (index, member) in self.possible(issuers, token.issuer_hint()) {
            let refused = match member.opinion(&token, wall, now) {
                Opinion::Good(checked, version) => {
                    let known = checked.clone();
                    let value = Remembered { checked: known, since: wall, member: index, version };
                    self.memory.remember(name, value, epoch);
                    return Look::Answer(Ok(checked));
                }
                Opinion::Bad(refused) => refused,
                Opinion::Doubtful(refused, want) => {
                    wants.push((index, want));
                    refused
                }
            };
            if said.as_ref().is_none_or(|said| weight(&refused) > weight(said)) {
                said = Some(refused);
            }
        }
        let refused = said.unwrap_or_else(|| self.nobody(issuers, token.issuer_hint()));
        if wants.is_empty() { Look::Answer(Err(refused)) } else { Look::Doubt(refused, wants) }
    }

    /// A remembered token counts while the keys are those that verified it, and its dates are good;
    /// else it is forgotten, and verified like any other.
    fn recall(&self, name: &Fingerprint, wall: UnixTime, now: Instant) -> Option<Checked> {
        let Remembered { checked, since, member, version } = self.memory.recall(name)?;
        let source = self.members.get(member).and_then(Trusted::keys).map(|keys| &keys.source);
        let current = source.and_then(|source| source.current(now));
        let same_keys = current.is_some_and(|current| current.version == version);
        if same_keys && since <= wall && checked.unexpired(wall).is_ok() {
            return Some(checked);
        }
        self.memory.drop_one(name);
        None
    }

    /// The allowed issuers that may have issued the token: first those that it names, then those
    /// that do not look at the name. What the token says selects; it adds nobody.
    fn possible<'a>(
        &'a self,
        issuers: &'a [usize],
        named: Option<&'a str>,
    ) -> impl Iterator<Item = (usize, &'a Member)> {
        let keys = |index: usize| Some((index, self.members.get(index)?.keys()?));
        let allowed = move || issuers.iter().filter_map(move |&index| keys(index));
        let expects = |member: &Member| member.expectations.issuer.clone();
        let by_name = allowed().filter(move |(_, member)| {
            expects(member).is_some_and(|issuer| Some(&*issuer) == named)
        });
        let by_key = allowed().filter(move |(_, member)| expects(member).is_none());
        by_name.chain(by_key).take(limits::ISSUERS_TRIED)
    }

    fn nobody(&self, issuers: &[usize], named: Option<&str>) -> Refused {
        let named = named.map_or_else(|| "no issuer".to_owned(), words::quote);
        let allowed = issuers.iter().filter_map(|&index| self.members.get(index));
        let allowed: Vec<_> = allowed
            .take(limits::ISSUERS_TRIED)
            .filter_map(|member| Some(words::quote(member.expectations().issuer.as_ref()?)))
            .collect();
        let allowed = allowed.join(", ");
        let reason = format!("the token names {named}, and the route allows {allowed}");
        Refused::new(Rejection::TokenIssuer, reason)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for keys in self.members.iter().filter_map(Trusted::keys) {
            keys.source.abandon();
        }
    }
}

impl Member {
    /// What the keys say that count. While they were tried, somebody else's fetch may have landed,
    /// and have spent the turn of all: then the newer ones are tried.
    fn opinion(&self, token: &Unverified, wall: UnixTime, now: Instant) -> Opinion {
        self.opinion_from(self.source.current(now), token, wall, now)
    }

    fn opinion_from(
        &self,
        mut current: Option<Arc<Snapshot>>,
        token: &Unverified,
        wall: UnixTime,
        now: Instant,
    ) -> Opinion {
        let mut opinion = self.opinion_by(current.as_deref(), token, wall, now);
        for _ in 0..limits::OVERTAKEN {
            // After the opinion: keys that came before it asked for a fetch are seen here.
            let latest = self.source.current(now);
            let version = |keys: &Option<Arc<Snapshot>>| keys.as_ref().map(|keys| keys.version);
            match &opinion {
                Opinion::Bad(refused)
                    if newer_keys_could_help(refused) && version(&current) != version(&latest) => {}
                Opinion::Bad(_) | Opinion::Good(_, _) | Opinion::Doubtful(_, _) => break,
            }
            opinion = self.opinion_by(latest.as_deref(), token, wall, now);
            current = latest;
        }
        opinion
    }

    fn opinion_by(
        &self,
        current: Option<&Snapshot>,
        token: &Unverified,
        wall: UnixTime,
        now: Instant,
    ) -> Opinion {
        let Self { expectations, source } = self;
        let Some(current) = current else {
            let refused = self.without_keys();
            return if source.can(Want::Any, now) {
                Opinion::Doubtful(refused, Want::Any)
            } else {
                Opinion::Bad(refused)
            };
        };
        let refused = match jwt::check(token, &current.keys, expectations, wall) {
            Ok(checked) => return Opinion::Good(checked, current.version),
            Err(refused) => refused,
        };
        if !newer_keys_could_help(&refused) {
            return Opinion::Bad(refused);
        }
        let refused = match (refused.rejection, source.fault()) {
            // Perhaps a key that we could not get: the client should come again, not give up.
            (Rejection::TokenKeyUnknown, Some(_)) => self.without_keys(),
            _ => refused,
        };
        if source.can(Want::Newer, now) {
            Opinion::Doubtful(refused, Want::Newer)
        } else {
            Opinion::Bad(refused)
        }
    }

    fn without_keys(&self) -> Refused {
        let name = self.source.name();
        let reason = match self.source.fault() {
            Some(fault) => format!("no keys of issuer {name} that fit: {fault}"),
            None => format!("no keys of issuer {name} yet"),
        };
        Refused::new(Rejection::Unavailable, reason)
    }
}

/// A name that is not in the set may be new; so may be the key behind a known name. Neither costs a
/// stranger anything to claim, which is why both share one cool-down.
fn newer_keys_could_help(refused: &Refused) -> bool {
    let mendable = [Rejection::TokenKeyUnknown, Rejection::TokenSignature, Rejection::Unavailable];
    mendable.contains(&refused.rejection)
}

/// Of several issuers' refusals the one that says most is told: that of an issuer whose key fits,
/// then that of one that could not be asked.
fn weight(refused: &Refused) -> usize {
    let least = [
        Rejection::TokenInactive,
        Rejection::TokenKeyUnknown,
        Rejection::TokenSignature,
        Rejection::Unavailable,
    ];
    least.iter().position(|rejection| *rejection == refused.rejection).unwrap_or(least.len())
}

#[cfg(test)]
mod tests;

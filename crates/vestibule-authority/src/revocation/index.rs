//! Which principals are covered, found by looking up their names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use vestibule_core::{authn::Principal, time::UnixTime};

use super::model::{Named, Revocation, is_early};
use crate::store::Position;

/// All that holds, twice: by its own name, and by what is revoked.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: BTreeMap<Box<str>, Slot>,
    ends: BTreeSet<(UnixTime, Box<str>)>,
    held: usize,
    /// Up to where the feed was read: whatever is older was seen in its order.
    read: Position,

    of_issuer: HashMap<Box<str>, Coverage>,
    of_anybody: Coverage,
    sessions: HashSet<Box<str>>,
}

/// What holds under one name, as far as the feed is known.
#[derive(Debug)]
enum Slot {
    Held(Position, Arc<Revocation>),
    /// Taken back here before the feed said so: what it says meanwhile is older.
    Lifted(Position),
}

#[derive(Debug, Default)]
struct Coverage {
    everything: Option<UnixTime>,
    subjects: HashMap<Box<str>, UnixTime>,
    tokens: HashSet<Box<str>>,
}

/// Who brings an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bringer {
    /// The feed, in its order.
    Feed,
    /// Whoever appended it just now: the feed may have brought it, and later ones, before.
    Maker,
}

/// What an event has changed.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// What now holds, and is to be announced.
    pub(super) news: Option<Arc<Revocation>>,
    /// What holds here covers more than what the store kept last: this must be appended, or a
    /// restart would forget it.
    pub(super) unkept: Option<Arc<Revocation>>,
}

impl Index {
    /// Whether somebody is covered. Looks names up, and allocates nothing.
    pub(super) fn covers(&self, principal: &Principal) -> bool {
        let of_issuer = self.of_issuer.get(&*principal.issuer);
        self.of_anybody.covers(principal)
            || of_issuer.is_some_and(|coverage| coverage.covers(principal))
            || principal.session.as_ref().is_some_and(|session| self.sessions.contains(session))
    }

    /// The latest time up to which what is issued for this subject is covered.
    pub(super) fn covering(&self, principal: &Principal) -> Option<UnixTime> {
        let of_issuer = self.of_issuer.get(&*principal.issuer);
        let coverages = [Some(&self.of_anybody), of_issuer];
        coverages.into_iter().flatten().filter_map(|coverage| coverage.covering(principal)).max()
    }

    /// How many hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Revocation>> {
        match self.slots.get(id)? {
            Slot::Held(_, revocation) => Some(revocation),
            Slot::Lifted(_) => None,
        }
    }

    /// In the order of their names, after that one.
    pub(super) fn list(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<Revocation>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.slots.range::<str, _>((from, Unbounded)).filter_map(|(_, slot)| match slot {
            Slot::Held(_, revocation) => Some(revocation),
            Slot::Lifted(_) => None,
        })
    }

    /// Takes a revocation that stands at that position. What is covered never shrinks by one: an
    /// earlier date under the same name is joined with the later.
    pub(super) fn hold(&mut self, at: Position, new: Revocation, bringer: Bringer) -> Applied {
        if bringer == Bringer::Maker && at <= self.read {
            return Applied::default();
        }
        let (kept_at, joined, kept) = match self.slots.get(&new.id) {
            Some(Slot::Lifted(lifted)) if *lifted > at => return Applied::default(),
            Some(Slot::Held(position, _)) if *position == at => return Applied::default(),
            Some(Slot::Held(position, old)) if *position > at => {
                (*position, old.joined(&new), Arc::clone(old))
            }
            Some(Slot::Held(_, old)) => (at, old.joined(&new), Arc::new(new)),
            Some(Slot::Lifted(_)) | None => (at, new.clone(), Arc::new(new)),
        };
        let joined = Arc::new(joined);
        self.remove(&Box::from(&*joined.id));
        self.insert(kept_at, &joined);
        let unkept = (!kept.includes(&joined)).then(|| Arc::clone(&joined));
        Applied { news: Some(joined), unkept }
    }

    /// Takes back whatever stands under that name at an earlier position.
    pub(super) fn lift(&mut self, at: Position, id: &str, bringer: Bringer) {
        if bringer == Bringer::Maker && at <= self.read {
            return;
        }
        match self.slots.get(id) {
            Some(Slot::Held(position, _) | Slot::Lifted(position)) if *position >= at => {}
            Some(Slot::Held(_, _) | Slot::Lifted(_)) | None => {
                self.remove(id);
                if bringer == Bringer::Maker {
                    self.slots.insert(id.into(), Slot::Lifted(at));
                }
            }
        }
    }

    /// The feed was read up to there.
    pub(super) fn read_up_to(&mut self, position: Position) {
        self.read = self.read.max(position);
        let read = self.read;
        self.slots.retain(|_, slot| match slot {
            Slot::Lifted(lifted) => *lifted > read,
            Slot::Held(_, _) => true,
        });
    }

    pub(super) fn position(&self) -> Position {
        self.read
    }

    /// Forgets what names only what has ended.
    pub(super) fn expire(&mut self, now: UnixTime) {
        while let Some((end, id)) = self.ends.first() {
            if *end > now {
                return;
            }
            let id = id.clone();
            self.remove(&id);
        }
    }

    fn insert(&mut self, at: Position, revocation: &Arc<Revocation>) {
        let before = revocation.issued_before;
        match &revocation.named {
            Named::Token { issuer, id } => {
                self.coverage(Some(issuer)).tokens.insert(id.clone());
            }
            Named::Session(id) => {
                self.sessions.insert(id.clone());
            }
            Named::Subject { issuer, subject } => {
                self.coverage(issuer.as_deref()).subjects.insert(subject.clone(), before);
            }
            Named::Everything { issuer } => {
                self.coverage(issuer.as_deref()).everything = Some(before);
            }
        }
        if let Some(end) = revocation.ends() {
            self.ends.insert((end, revocation.id.clone()));
        }
        self.slots.insert(revocation.id.clone(), Slot::Held(at, Arc::clone(revocation)));
        self.held = self.held.saturating_add(1);
    }

    /// Each thing has one name, so that nothing else can cover what this one covered by.
    fn remove(&mut self, id: &str) {
        let Some(Slot::Held(_, revocation)) = self.slots.remove(id) else { return };
        self.held = self.held.saturating_sub(1);
        if let Some(end) = revocation.ends() {
            self.ends.remove(&(end, revocation.id.clone()));
        }
        match &revocation.named {
            Named::Token { issuer, id } => {
                self.coverage(Some(issuer)).tokens.remove(id);
                self.tidy(Some(issuer));
            }
            Named::Session(id) => {
                self.sessions.remove(id);
            }
            Named::Subject { issuer, subject } => {
                self.coverage(issuer.as_deref()).subjects.remove(subject);
                self.tidy(issuer.as_deref());
            }
            Named::Everything { issuer } => {
                self.coverage(issuer.as_deref()).everything = None;
                self.tidy(issuer.as_deref());
            }
        }
    }

    fn coverage(&mut self, issuer: Option<&str>) -> &mut Coverage {
        match issuer {
            Some(issuer) => self.of_issuer.entry(issuer.into()).or_default(),
            None => &mut self.of_anybody,
        }
    }

    fn tidy(&mut self, issuer: Option<&str>) {
        if let Some(issuer) = issuer
            && self.of_issuer.get(issuer).is_some_and(Coverage::is_empty)
        {
            self.of_issuer.remove(issuer);
        }
    }
}

impl Coverage {
    fn covers(&self, principal: &Principal) -> bool {
        self.covering(principal).is_some_and(|before| is_early(principal, before))
            || principal.token_id.as_ref().is_some_and(|id| self.tokens.contains(id))
    }

    fn covering(&self, principal: &Principal) -> Option<UnixTime> {
        self.everything.max(self.subjects.get(&principal.subject).copied())
    }

    fn is_empty(&self) -> bool {
        let Self { everything, subjects, tokens } = self;
        everything.is_none() && subjects.is_empty() && tokens.is_empty()
    }
}

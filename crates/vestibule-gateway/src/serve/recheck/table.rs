//! Which connections live by which tokens, and when these are asked about, as a value: time goes in,
//! what is due comes out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;
use vestibule_authority::{Again, Standing, TokenName};
use vestibule_core::authn::{ConnectionId, Principal};
use vestibule_verify::Refused;

use super::Spread;
use crate::limits;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Table {
    tokens: HashMap<TokenName, Token>,
    connections: HashMap<ConnectionId, TokenName>,
    due: BTreeMap<Due, TokenName>,
    number: u64,
}

/// When a token is asked about; the number tells apart those of one moment.
type Due = (Instant, u64);

#[derive(Debug)]
struct Token {
    standing: Standing,
    /// `None` while it is asked about.
    due: Option<Due>,
    connections: BTreeSet<ConnectionId>,
}

/// Connections that must end, and why.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) connections: BTreeSet<ConnectionId>,
    pub(super) principal: Arc<Principal>,
    pub(super) refused: Refused,
}

impl Table {
    pub(super) fn enter(&mut self, id: ConnectionId, standing: Standing, spread: Spread) {
        let name = standing.name;
        if self.connections.get(&id) != Some(&name) {
            self.leave(id);
            self.connections.insert(id, name);
        }
        if let Some(token) = self.tokens.get_mut(&name) {
            token.connections.insert(id);
            // It was asked about since, to let this one in; and counts for longer, where its issuer
            // does not say for how long.
            token.standing.asked = token.standing.asked.max(standing.asked);
            token.standing.expires = token.standing.expires.max(standing.expires);
            return;
        }
        let at = standing.asked + spread.shorten(standing.recheck);
        let due = self.schedule(name, at);
        let connections = BTreeSet::from([id]);
        self.tokens.insert(name, Token { standing, due: Some(due), connections });
    }

    pub(super) fn leave(&mut self, id: ConnectionId) {
        let Some(name) = self.connections.remove(&id) else { return };
        let Some(token) = self.tokens.get_mut(&name) else { return };
        token.connections.remove(&id);
        if token.connections.is_empty()
            && let Some(Token { due: Some(due), .. }) = self.tokens.remove(&name)
        {
            self.due.remove(&due);
        }
    }

    /// What is to be asked about by now, so many at the most, and when the next one is due.
    pub(super) fn due(&mut self, most: usize, now: Instant) -> (Vec<Standing>, Option<Instant>) {
        let mut standing = Vec::new();
        while standing.len() < most
            && let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let name = entry.remove();
            if let Some(token) = self.tokens.get_mut(&name) {
                token.due = None;
                standing.push(token.standing.clone());
            }
        }
        let next = self.due.first_key_value().map(|((at, _), _)| *at);
        (standing, next)
    }

    /// What its issuer has said about a token, and what must end because of it.
    pub(super) fn answered(
        &mut self,
        name: TokenName,
        again: &Again,
        spread: Spread,
        now: Instant,
    ) -> Option<Ends> {
        // All of its connections may have gone meanwhile, and others have come.
        let token = self.tokens.get_mut(&name)?;
        if token.due.is_some() {
            return None;
        }
        let Standing { recheck, max_stale, .. } = token.standing;
        let at = match again {
            Again::Good { asked } => {
                token.standing.asked = token.standing.asked.max(*asked);
                (token.standing.asked + spread.shorten(recheck)).max(now)
            }
            Again::Gone(refused) => return self.end(name, refused),
            // Their leases end by themselves.
            Again::Over => {
                self.forget(&name);
                return None;
            }
            Again::Later(refused) => {
                let last = max_stale.map(|stale| token.standing.asked + stale);
                if last.is_some_and(|last| now >= last) {
                    return self.end(name, refused);
                }
                let pause: Duration = spread.shorten(recheck.min(limits::RECHECK_RETRY));
                last.map_or(now + pause, |last| last.min(now + pause))
            }
        };
        let due = self.schedule(name, at);
        if let Some(token) = self.tokens.get_mut(&name) {
            token.due = Some(due);
        }
        None
    }

    pub(super) fn tokens(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    fn end(&mut self, name: TokenName, refused: &Refused) -> Option<Ends> {
        let Token { connections, standing, due: _ } = self.forget(&name)?;
        Some(Ends { connections, principal: standing.principal, refused: refused.clone() })
    }

    fn forget(&mut self, name: &TokenName) -> Option<Token> {
        let token = self.tokens.remove(name)?;
        for id in &token.connections {
            self.connections.remove(id);
        }
        Some(token)
    }

    fn schedule(&mut self, name: TokenName, at: Instant) -> Due {
        self.number += 1;
        let due = (at, self.number);
        self.due.insert(due, name);
        due
    }
}

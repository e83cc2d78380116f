//! The tokens that were good a moment ago, by the names by which they can be revoked: whoever comes by
//! one of them, or by a ticket that was bought with it, is to be asked about later. The only place
//! where a token is kept by which nobody is connected; for minutes, a bounded number, wiped behind.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use tokio::time::Instant;
use vestibule_core::{authn::Secret, time::UnixTime};
use vestibule_verify::jwt::{Binding, Checked};

use crate::{limits, schedule::after};

/// A token that was good.
#[derive(Clone)]
pub(crate) struct Good {
    pub(crate) token: Secret,
    pub(crate) binding: Binding,
    pub(crate) expires: UnixTime,
    pub(crate) asked: Instant,
    until: Instant,
}

#[derive(Default)]
pub(super) struct Recent {
    tokens: HashMap<Box<str>, Good>,
    /// In the order of their ends; some are over, or are newer in `tokens`.
    ends: VecDeque<(Instant, Box<str>)>,
}

impl Recent {
    /// A token was good at that time.
    pub(super) fn put(&mut self, token: &Secret, checked: &Checked, asked: Instant, now: Instant) {
        self.clear(now);
        let Some(name) = &checked.principal().token_id else { return };
        // Not for each of a crowd that comes with one token.
        if let Some(known) = self.tokens.get(name)
            && known.asked == asked
            && after(now, limits::RECENT / 2) < known.until
        {
            return;
        }
        let until = after(now, limits::RECENT);
        let expires = checked.principal().expires;
        let good = Good { token: token.clone(), binding: checked.binding(), expires, asked, until };
        self.tokens.insert(name.clone(), good);
        self.ends.push_back((until, name.clone()));
    }

    pub(super) fn get(&self, name: &str, now: Instant) -> Option<Good> {
        self.tokens.get(name).filter(|good| now < good.until).cloned()
    }

    fn clear(&mut self, now: Instant) {
        while let Some((until, _)) = self.ends.front()
            && (*until <= now || self.ends.len() >= limits::RECENT_TOKENS)
            && let Some((until, name)) = self.ends.pop_front()
        {
            if self.tokens.get(&name).is_some_and(|good| good.until <= until) {
                self.tokens.remove(&name);
            }
        }
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use vestibule_verify::{introspection::Answer, jwt::Expectations};

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_000_000);

    fn checked(name: &str) -> Checked {
        let said = json!({ "active": true, "token_type": "Bearer", "sub": "a", "aud": "chat" });
        let Ok(Answer::Active(active)) = Answer::parse(said.to_string().as_bytes()) else {
            panic!("an answer")
        };
        let expected = Expectations::new("https://idp.example/", ["chat"]);
        active.or_named(name).check(&expected, Duration::from_hours(1), NOW).unwrap()
    }

    fn put(recent: &mut Recent, name: &str, now: Instant) {
        recent.put(&Secret::new(format!("token of {name}")), &checked(name), now, now);
    }

    #[test]
    fn a_token_is_there_for_its_time_and_wiped_with_the_next() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        put(&mut recent, "a", now);
        assert_eq!(recent.get("a", now).unwrap().token.expose(), b"token of a");
        assert!(!format!("{recent:?}").contains("token of"));
        let last = now + limits::RECENT;
        assert!(recent.get("a", last - Duration::from_millis(1)).is_some());
        assert!(recent.get("a", last).is_none());
        put(&mut recent, "b", last);
        assert_eq!((recent.tokens.len(), recent.ends.len()), (1, 1));
        assert!(recent.get("a", now).is_none());
    }

    #[test]
    fn who_comes_again_stays_and_a_crowd_costs_nothing() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        put(&mut recent, "a", now);
        let half = now + limits::RECENT * 3 / 4;
        put(&mut recent, "a", half);
        put(&mut recent, "b", now + limits::RECENT);
        assert!(recent.get("a", now + limits::RECENT).is_some());
        let token = Secret::new("token of a");
        for _ in 0..1000 {
            recent.put(&token, &checked("a"), half, half);
        }
        assert_eq!(recent.ends.len(), 2);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let good = checked("x");
        let Good { token, binding, expires, asked, until } = {
            recent.put(&Secret::new("t"), &good, now, now);
            recent.get("x", now).unwrap()
        };
        for number in 0..limits::RECENT_TOKENS {
            let name: Box<str> = format!("n-{number}").into();
            let token = token.clone();
            recent.tokens.insert(name.clone(), Good { token, binding, expires, asked, until });
            recent.ends.push_back((until, name));
        }
        put(&mut recent, "last", now);
        assert!(recent.tokens.len() <= limits::RECENT_TOKENS);
        assert!(recent.get("x", now).is_none());
        assert!(recent.get("last", now).is_some());
    }
}

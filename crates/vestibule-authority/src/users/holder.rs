//! Users as those who hold API keys, and whose sessions go on.

use vestibule_core::time::UnixTime;

use super::{User, UserState, Users};
use crate::{
    api_keys::{Holder, Holders},
    store::Answer,
};

impl Holders for Users {
    fn holder<'a>(&'a self, user: &'a str, now: UnixTime) -> Answer<'a, Option<Holder>> {
        Box::pin(async move {
            let Some(user) = self.get(user, now).await? else { return Ok(None) };
            let User { name: _, scopes, groups, email, display_name, state, created, changed: _ } =
                user;
            let holder = Holder { since: created, scopes, groups, email, name: display_name };
            Ok(match state {
                UserState::Enabled => Some(holder),
                UserState::Disabled => None,
            })
        })
    }
}

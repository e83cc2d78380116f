//! The users of this installation as holders of API keys.

use vestibule_core::time::UnixTime;

use super::{Holder, Holders};
use crate::{
    store::Answer,
    users::{User, UserState, Users},
};

impl Holders for Users {
    fn holder<'a>(&'a self, user: &'a str, now: UnixTime) -> Answer<'a, Option<Holder>> {
        Box::pin(async move {
            let user = self.get(user, now).await?;
            Ok(user.filter(|user| user.state == UserState::Enabled).map(holder))
        })
    }
}

fn holder(user: User) -> Holder {
    let User { name: _, scopes, groups, email, display_name, state: _, created, changed: _ } = user;
    Holder { since: created, scopes, groups, email, name: display_name }
}

use std::sync::Arc;

use vestibule_core::{
    authn::{Credential, Principal, Secret},
    rejection::Rejection,
};

use super::{GATE, IDP, NO_SESSION, PASSWORD, REVOKED, Rig, at, bearer, principal};
use crate::{
    api_keys::Owner,
    identities::LoggedIn,
    sessions::Cookie,
    store::Table,
    tests::rig::NOW,
    users::{LoginError, UserState},
};

#[tokio::test]
async fn a_user_logs_in_goes_on_and_logs_out() {
    let rig = Rig::start().await;
    let wrong = rig.log_in("wrong password", NOW).await.unwrap_err();
    assert!(matches!(wrong, LoginError::Refused(Rejection::CredentialsInvalid)), "{wrong:?}");
    let LoggedIn { login, access } = rig.log_in(PASSWORD, NOW).await.unwrap();
    let who = rig.check(&bearer(&access)).await.unwrap();
    assert_eq!((&*who.subject, &who.session), ("alice", &Some(login.session)));
    let next = rig.refresh(&login.refresh).await.unwrap();
    assert!(rig.check(&bearer(&next.access)).await.is_ok());
    rig.identities.log_out(&who, NOW).await.unwrap();
    assert_eq!(rig.check(&bearer(&next.access)).await, REVOKED);
    assert!(rig.log_in(PASSWORD, NOW).await.is_ok());
}

#[tokio::test]
async fn a_refresh_gives_what_the_user_may_do_now() {
    let rig = Rig::start().await;
    let narrow = Principal { scopes: Box::default(), token_id: None, ..principal(GATE) };
    let login = rig.identities.sessions.begin(&narrow, Cookie::None, NOW).await.unwrap();
    let next = rig.refresh(&login.refresh).await.unwrap();
    let who = rig.check(&bearer(&next.access)).await.unwrap();
    assert_eq!((who.scopes.len(), &*who.groups[0]), (2, "staff"));
    let now = rig.identities.continued(&login.principal, NOW).await.unwrap();
    assert_eq!(rig.check(&bearer(&now)).await.unwrap().scopes.len(), 2);
    rig.identities.users.set_state("alice", UserState::Disabled, NOW).await.unwrap();
    assert!(rig.identities.continued(&login.principal, NOW).await.is_err());
    assert_eq!(rig.refresh(&next.refresh).await.unwrap_err(), Rejection::SessionUnknown);
    // Somebody else gets the name.
    let rig = Rig::start().await;
    let login = rig.login().await;
    rig.identities.users.remove("alice", NOW).await.unwrap();
    assert_eq!(rig.refresh(&login.refresh).await.unwrap_err(), Rejection::SessionUnknown);
    let login = rig.login().await;
    rig.add_user(at(1)).await;
    assert_eq!(rig.refresh(&login.refresh).await.unwrap_err(), Rejection::SessionUnknown);
}

#[tokio::test]
async fn a_key_for_little_is_not_exchanged_for_all_that_its_user_may() {
    let rig = Rig::start().await;
    let (_, key) = rig.key(Owner::User("alice".into())).await;
    let who = rig.check(&key).await.unwrap();
    assert!(who.scopes.is_empty());
    let resumed = rig.identities.sessions.grant(&who, "chat", NOW).await.unwrap();
    let resumed = rig.check(&Credential::of_token(resumed.token.expose())).await.unwrap();
    for who in [&who, &resumed] {
        let refused = rig.identities.continued(who, NOW).await.unwrap_err();
        assert_eq!(refused.rejection, Rejection::SessionUnknown);
    }
    // Nor by a login that began with it.
    let login = rig.identities.sessions.begin(&who, Cookie::None, NOW).await.unwrap();
    let next = rig.refresh(&login.refresh).await.unwrap();
    assert!(next.principal.scopes.is_empty());
}

#[tokio::test]
async fn the_subject_of_another_issuer_does_not_become_a_user_of_that_name() {
    let rig = Rig::start().await;
    let foreign = Principal { token_id: None, ..principal(IDP) };
    let refused = rig.identities.mint(&foreign, NOW).unwrap_err();
    assert_eq!(refused.rejection, Rejection::TokenIssuer);
    let login = rig.identities.sessions.begin(&foreign, Cookie::None, NOW).await.unwrap();
    assert!(rig.identities.continued(&login.principal, NOW).await.is_err());
    assert_eq!(rig.refresh(&login.refresh).await.unwrap_err(), Rejection::TokenIssuer);
}

#[tokio::test]
async fn a_user_who_is_disabled_or_removed_is_out_by_every_way() {
    for removed in [false, true] {
        let rig = Rig::start().await;
        let LoggedIn { login, access } = rig.log_in(PASSWORD, NOW).await.unwrap();
        let (_, key) = rig.key(Owner::User("alice".into())).await;
        let cookie = Credential::of_token(login.cookie.unwrap().expose());
        let ticket = rig.buy(&rig.check(&cookie).await.unwrap()).await;
        if removed {
            rig.identities.remove_user("alice", "admin", at(1)).await.unwrap();
            assert!(rig.identities.users.get("alice", at(1)).await.unwrap().is_none());
            assert!(rig.identities.api_keys.list(None, 9, at(1)).await.unwrap().is_empty());
        } else {
            rig.identities.disable_user("alice", "admin", at(1)).await.unwrap();
        }
        assert!(rig.log_in(PASSWORD, at(1)).await.is_err());
        assert_eq!(rig.check_at(&bearer(&access), at(1)).await, REVOKED);
        assert_eq!(rig.check_at(&ticket, at(1)).await, REVOKED);
        assert_eq!(rig.check_at(&cookie, at(1)).await, NO_SESSION);
        assert_eq!(rig.check_at(&key, at(1)).await, Err(Rejection::ApiKeyUnknown));
        assert!(rig.refresh(&login.refresh).await.is_err());
        // Let in again, nothing of it comes back.
        if removed {
            rig.add_user(at(2)).await;
        } else {
            let users = &rig.identities.users;
            users.set_state("alice", UserState::Enabled, at(2)).await.unwrap();
        }
        let anew = rig.log_in(PASSWORD, at(2)).await.unwrap();
        assert!(rig.check_at(&bearer(&anew.access), at(2)).await.is_ok());
        assert_eq!(rig.check_at(&bearer(&access), at(2)).await, REVOKED);
        assert!(rig.check_at(&key, at(2)).await.is_err());
    }
}

#[tokio::test]
async fn a_new_password_ends_the_logins_by_the_old_one() {
    let rig = Rig::start().await;
    let LoggedIn { login, access } = rig.log_in(PASSWORD, NOW).await.unwrap();
    let (_, key) = rig.key(Owner::User("alice".into())).await;
    let new = Secret::new("battery staple");
    rig.identities.set_password("alice", &new, "admin", NOW).await.unwrap();
    assert_eq!(rig.check(&bearer(&access)).await, REVOKED);
    assert!(rig.refresh(&login.refresh).await.is_err());
    assert!(rig.check(&key).await.is_ok());
    assert!(rig.log_in("battery staple", NOW).await.is_ok());
}

/// The operator's change comes between the check of the password and the login that it makes.
#[tokio::test]
async fn a_login_that_crosses_with_shutting_the_user_out_does_not_stay() {
    for change in ["disable", "password"] {
        let rig = Rig::start().await;
        let identities = Arc::clone(&rig.identities);
        rig.shelf.before_next(Table::Sessions, async move {
            if change == "disable" {
                identities.disable_user("alice", "admin", at(1)).await.unwrap();
            } else {
                let new = Secret::new("battery staple");
                identities.set_password("alice", &new, "admin", at(1)).await.unwrap();
            }
        });
        let late = rig.log_in(PASSWORD, at(2)).await;
        assert!(late.is_err(), "{change}: {late:?}");
        let left = rig.identities.sessions.of_subject(GATE, "alice", at(2)).await.unwrap();
        assert!(left.is_empty(), "{change}: {left:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_revokes_what_was_made_of_its_login() {
    let rig = Rig::start().await;
    let login = rig.login().await;
    let next = rig.refresh(&login.refresh).await.unwrap();
    assert!(rig.check(&bearer(&next.access)).await.is_ok());
    assert_eq!(rig.refresh(&login.refresh).await.unwrap_err(), Rejection::SessionUnknown);
    assert_eq!(rig.check(&bearer(&next.access)).await, REVOKED);
    assert_eq!(rig.refresh(&next.refresh).await.unwrap_err(), Rejection::SessionUnknown);
}

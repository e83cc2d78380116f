//! Who may have passkeys registered: those who logged in themselves.

use super::*;
use crate::webauthn::PasskeyError;

/// Whether they may; that there is nothing to register by is another matter.
async fn may(rig: &Rig, principal: &Principal, now: UnixTime) -> Result<(), Rejection> {
    match rig.identities.begin_passkey(principal, now).await {
        Err(PasskeyError::Off) => Ok(()),
        Err(PasskeyError::Refused(refused)) => Err(refused.rejection),
        other => panic!("{other:?}"),
    }
}

const NO: Result<(), Rejection> = Err(Rejection::MechanismNotAllowed);
const GONE: Result<(), Rejection> = Err(Rejection::SessionUnknown);

#[tokio::test]
async fn who_logged_in_may_by_token_cookie_and_what_the_cookie_goes_on_by() {
    let rig = Rig::start().await;
    let LoggedIn { login, access } = rig.log_in(PASSWORD, NOW).await.unwrap();
    let by_token = rig.check(&bearer(&access)).await.unwrap();
    assert_eq!(may(&rig, &by_token, NOW).await, Ok(()));
    let cookie = Credential::of_token(login.cookie.unwrap().expose());
    let by_cookie = rig.check(&cookie).await.unwrap();
    assert_eq!(may(&rig, &by_cookie, NOW).await, Ok(()));
    let resumed = rig.identities.sessions.grant(&by_cookie, "chat", NOW).await.unwrap();
    let resumed = rig.check(&Credential::of_token(resumed.token.expose())).await.unwrap();
    assert_eq!(may(&rig, &resumed, NOW).await, Ok(()));
}

#[tokio::test]
async fn what_began_with_something_else_that_can_be_removed_may_not() {
    let rig = Rig::start().await;
    let (_, key) = rig.key(Owner::User("alice".into())).await;
    let by_key = rig.check(&key).await.unwrap();
    assert_eq!(may(&rig, &by_key, NOW).await, NO);
    let resumed = rig.identities.sessions.grant(&by_key, "chat", NOW).await.unwrap();
    let resumed = rig.check(&Credential::of_token(resumed.token.expose())).await.unwrap();
    assert_eq!(may(&rig, &resumed, NOW).await, NO);
    let (_, machine) = rig.key(Owner::Machine("robot".into())).await;
    assert_eq!(may(&rig, &rig.check(&machine).await.unwrap(), NOW).await, NO);
    let LoggedIn { login, access: _ } = rig.log_in(PASSWORD, NOW).await.unwrap();
    let ticket = rig.buy(&login.principal).await;
    assert_eq!(may(&rig, &rig.check(&ticket).await.unwrap(), NOW).await, NO);
    // A user of another issuer, even in a session of ours, is nobody here.
    let foreign = rig.identities.sessions.begin(&principal(IDP), Cookie::None, NOW).await.unwrap();
    assert_eq!(may(&rig, &foreign.principal, NOW).await, NO);
    // A token without a session was not made at a login.
    assert_eq!(may(&rig, &principal(GATE), NOW).await, NO);
}

#[tokio::test]
async fn who_is_shut_out_or_another_user_of_the_name_may_not() {
    let rig = Rig::start().await;
    let LoggedIn { login: _, access } = rig.log_in(PASSWORD, NOW).await.unwrap();
    let who = rig.check(&bearer(&access)).await.unwrap();
    rig.identities.disable_user("alice", "admin", at(1)).await.unwrap();
    assert_eq!(may(&rig, &who, at(1)).await, GONE);
    rig.identities.remove_user("alice", "admin", at(2)).await.unwrap();
    assert_eq!(may(&rig, &who, at(2)).await, GONE);
    rig.add_user(at(3)).await;
    assert_eq!(may(&rig, &who, at(3)).await, GONE);
    // The date of a token has whole seconds: in its own, a user may just have been added.
    let added = at(4).after(Duration::from_millis(400));
    rig.identities.remove_user("alice", "admin", at(4)).await.unwrap();
    rig.add_user(added).await;
    let same = Principal { issued: Some(at(4)), ..who.clone() };
    assert_eq!(may(&rig, &same, added).await, Ok(()));
    let before = Principal { issued: Some(at(3)), ..who };
    assert_eq!(may(&rig, &before, added).await, GONE);
}

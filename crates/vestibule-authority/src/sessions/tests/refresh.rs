//! Refresh tokens.

use super::*;

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_one() {
    let rig = rig();
    let login = rig.login("alice").await;
    let mut token = login.refresh;
    for _ in 0..20 {
        let next = rig.sessions.refresh(&token, NOW).await.unwrap();
        assert_ne!(next.refresh.expose(), token.expose());
        assert_eq!(next.principal.session, Some(login.session.clone()));
        assert_eq!(
            (&*next.principal.subject, &*next.principal.groups[0], next.principal.expires),
            ("alice", "staff", NOW.after(Duration::from_hours(24 * 30)))
        );
        token = next.refresh;
    }
}

#[tokio::test]
async fn any_older_generation_ends_the_login_and_all_that_came_of_it() {
    for age in [1, 2, 7] {
        let rig = rig();
        let login = rig.login("alice").await;
        let resumed = rig.grant(&login.principal).await;
        let mut tokens = vec![login.refresh.clone()];
        for _ in 0..7 {
            tokens.push(rig.refresh(tokens.last().unwrap()).await.unwrap());
        }
        let stolen = &tokens[tokens.len() - 1 - age];
        match rig.refresh(stolen).await {
            Err(RefreshError::Reused { session }) => assert_eq!(session, login.session),
            other => panic!("{age}: {other:?}"),
        }
        for token in &tokens {
            assert!(matches!(rig.refresh(token).await, Err(RefreshError::Invalid)), "{age}");
        }
        let cookie = login.cookie.unwrap();
        for token in [cookie, resumed.token] {
            assert_eq!(rig.check(&token, "chat", NOW).await, Err(Rejection::SessionUnknown));
        }
        assert_eq!(rig.ledger.len(Table::Sessions), 0);
        assert_eq!(rig.ledger.len(Table::SessionsBySubject), 0);
    }
}

#[tokio::test]
async fn a_forged_refresh_token_ends_nobody_s_login() {
    let rig = rig();
    let login = rig.login("alice").await;
    let current = rig.refresh(&login.refresh).await.unwrap();
    for forged in flipped(&login.refresh).chain(flipped(&current)) {
        let said = rig.refresh(&forged).await;
        assert!(matches!(said, Err(RefreshError::Invalid)), "{said:?}");
    }
    for forged in ["", "vsr_", "vsr_AAAA", "eyJhbGciOiJFZERTQSJ9.e30.AA"] {
        assert!(matches!(rig.refresh(&Secret::new(forged)).await, Err(RefreshError::Invalid)));
    }
    assert!(rig.refresh(&current).await.is_ok());
}

#[tokio::test]
async fn the_mac_of_one_login_is_worth_nothing_in_another() {
    let rig = rig();
    let (alice, mallory) = (rig.login("alice").await, rig.login("mallory").await);
    let bytes = |login: &Login| *opaque::bytes_of::<52>("vsr_", &login.refresh).unwrap();
    let (alices, mallorys) = (bytes(&alice), bytes(&mallory));
    let mixed = opaque::token("vsr_", &[&alices[..20], &mallorys[20..]]);
    assert!(matches!(rig.refresh(&mixed).await, Err(RefreshError::Invalid)));
    // A generation that was not reached yet, with a MAC over another.
    let mut ahead = alices;
    ahead[19] = 1;
    let ahead = opaque::token("vsr_", &[&ahead]);
    assert!(matches!(rig.refresh(&ahead).await, Err(RefreshError::Invalid)));
    assert!(rig.refresh(&alice.refresh).await.is_ok());
    assert!(rig.refresh(&mallory.refresh).await.is_ok());
}

#[tokio::test]
async fn of_two_who_present_a_refresh_token_at_once_one_wins() {
    let rig = rig();
    let login = rig.login("alice").await;
    let (one, other) = tokio::join!(rig.refresh(&login.refresh), rig.refresh(&login.refresh));
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    let won = won.unwrap();
    assert!(matches!(lost, Err(RefreshError::Overtaken)), "{lost:?}");
    // The login goes on for the winner; the loser's second attempt is an older generation.
    let next = rig.refresh(&won).await.unwrap();
    assert!(matches!(rig.refresh(&login.refresh).await, Err(RefreshError::Reused { .. })));
    assert!(matches!(rig.refresh(&next).await, Err(RefreshError::Invalid)));
}

#[tokio::test]
async fn a_store_that_was_set_back_exchanges_no_token_of_the_time_it_lost() {
    let rig = rig();
    let login = rig.login("alice").await;
    let second = rig.refresh(&login.refresh).await.unwrap();
    let third = rig.refresh(&second).await.unwrap();
    rig.ledger.edit(Table::Sessions, &login.session, |text| {
        text.replace("\"generation\":2", "\"generation\":0")
    });
    for token in [&second, &third] {
        assert!(matches!(rig.refresh(token).await, Err(RefreshError::Invalid)));
    }
}

#[tokio::test]
async fn a_slip_is_forgiven_for_as_long_as_the_policy_says_and_brings_no_token() {
    let overlap = Duration::from_secs(10);
    let rig = Rig::new(SessionPolicy { overlap, ..SessionPolicy::default() });
    let login = rig.login("alice").await;
    let second = rig.refresh(&login.refresh).await.unwrap();
    let at = |seconds| NOW.after(Duration::from_secs(seconds));
    let said = rig.sessions.refresh(&login.refresh, at(9)).await;
    assert!(matches!(said, Err(RefreshError::Overtaken)), "{said:?}");
    // Two generations back is no slip.
    let third = rig.sessions.refresh(&second, at(9)).await.unwrap().refresh;
    let said = rig.sessions.refresh(&second, at(18)).await;
    assert!(matches!(said, Err(RefreshError::Overtaken)), "{said:?}");
    let said = rig.sessions.refresh(&login.refresh, at(10)).await;
    assert!(matches!(said, Err(RefreshError::Reused { .. })), "{said:?}");
    assert!(rig.refresh(&third).await.is_err());
}

#[tokio::test]
async fn a_refresh_token_ends_with_its_login_and_use_does_not_make_it_longer() {
    let rig = rig();
    let login = rig.login("alice").await;
    let last = NOW.after(Duration::from_hours(24 * 30) - Duration::from_millis(1));
    let token = rig.sessions.refresh(&login.refresh, last).await.unwrap().refresh;
    let said = rig.sessions.refresh(&token, login.expires).await;
    assert!(matches!(said, Err(RefreshError::Invalid)), "{said:?}");
}

#[tokio::test]
async fn a_session_token_is_no_refresh_token_and_the_other_way_round() {
    let rig = rig();
    let login = rig.login("alice").await;
    let cookie = login.cookie.unwrap();
    assert!(matches!(rig.refresh(&cookie).await, Err(RefreshError::Invalid)));
    assert_eq!(rig.check(&login.refresh, "chat", NOW).await, Err(Rejection::SessionUnknown));
    let granted = rig.grant(&principal("bob")).await;
    let bytes = opaque::bytes_of::<48>("vss_", &granted.token).unwrap();
    let dressed = opaque::token("vsr_", &[&bytes[..], &[0; 4]]);
    assert!(matches!(rig.refresh(&dressed).await, Err(RefreshError::Invalid)));
}

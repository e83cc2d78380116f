//! How a passkey is registered, and how not.

use super::*;

#[tokio::test]
async fn a_registration_counts_once_for_its_user_and_in_its_time() {
    let rig = Rig::new();
    let over = |said: Result<Passkey, String>| {
        assert!(said.unwrap_err().starts_with("there is no such challenge"));
    };
    let mut device = device(b"one");
    let answer = device.create(&rig.begin("alice").await).unwrap();
    over(rig.finish("bob", &answer, NOW).await);
    // And is spent by that.
    over(rig.finish("alice", &answer, NOW).await);
    let answer = device.create(&rig.begin("alice").await).unwrap();
    over(rig.finish("alice", &answer, NOW.after(limits::PASSKEY_REGISTRATION)).await);
    let answer = device.create(&rig.begin("alice").await).unwrap();
    rig.user("alice", later(1));
    over(rig.finish("alice", &answer, later(2)).await);
    over(
        rig.finish(
            "alice",
            &device
                .create(&json!({ "user": {"id": "AAAA"}, "challenge": base64url(&[7; 32]) }))
                .unwrap(),
            NOW,
        )
        .await,
    );
    over(
        rig.finish(
            "alice",
            &device.create(&json!({ "user": {"id": "AAAA"}, "challenge": "AAAA" })).unwrap(),
            NOW,
        )
        .await,
    );
    assert_eq!(rig.passkeys.list(None, 10, NOW).await.unwrap(), []);
}

#[tokio::test]
async fn what_another_page_or_a_careless_authenticator_makes_is_not_registered() {
    let rig = Rig::new();
    let changes: [fn(&mut Authenticator); 6] = [
        |device| "https://evil.example".clone_into(&mut device.origin),
        |device| "evil.example".clone_into(&mut device.party),
        |device| device.flags = Authenticator::PRESENT,
        |device| device.flags = Authenticator::VERIFIED,
        |device| device.flags |= Authenticator::COPIED,
        |device| device.id = vec![7; 1024],
    ];
    for change in changes {
        let mut device = device(b"one");
        change(&mut device);
        let answer = device.create(&rig.begin("alice").await).unwrap();
        assert!(rig.finish("alice", &answer, NOW).await.is_err());
    }
    // An assertion is no registration.
    let mut device = device(b"one");
    let options = rig.begin("alice").await;
    let answer = device.get(&options).unwrap();
    assert!(rig.finish("alice", &answer, NOW).await.is_err());
    for text in ["", "{}", "[]", "null", r#"{"id":"AAAA","type":"public-key","response":{}}"#] {
        let finished = rig.passkeys.finish("alice", None, text.as_bytes(), NOW).await;
        assert!(matches!(finished, Err(PasskeyError::Answer(_))), "{text}");
    }
    for name in ["", "two\nlines", &"x".repeat(101)] {
        let finished = rig.passkeys.finish("alice", Some(name), b"{}", NOW).await;
        assert!(matches!(finished, Err(PasskeyError::BadName)), "{name}");
    }
    assert_eq!(rig.passkeys.list(None, 10, NOW).await.unwrap(), []);
}

#[tokio::test]
async fn a_passkey_is_of_one_user_until_it_is_removed() {
    let rig = Rig::new();
    let mut device = device(b"one");
    let first = rig.register("alice", &mut device).await;
    let answer = device.create(&rig.begin("bob").await).unwrap();
    assert!(rig.finish("bob", &answer, NOW).await.unwrap_err().contains("already"));
    let again = device.create(&rig.begin("alice").await).unwrap();
    assert!(rig.finish("alice", &again, NOW).await.unwrap_err().contains("already"));
    rig.passkeys.remove_of("alice", NOW).await.unwrap();
    assert_eq!(rig.passkeys.list(None, 10, NOW).await.unwrap(), []);
    let moved = rig.register("bob", &mut device).await;
    assert_eq!(moved.id, first.id);
    assert_ne!(moved.token, first.token);
    // Of the registration before, nothing is left to remove.
    rig.passkeys.remove(&first, NOW).await.unwrap();
    assert_eq!(subject(&rig.run("", &mut device).await), Ok("bob"));
}

#[tokio::test]
async fn a_user_has_one_handle_and_tells_browsers_what_there_is_already() {
    let rig = Rig::new();
    let before = rig.begin("alice").await;
    assert_eq!(before["excludeCredentials"], json!([]));
    assert_eq!(before["rp"], json!({ "id": ID, "name": "Example" }));
    assert_eq!(before["user"]["name"], "alice");
    rig.register("alice", &mut device(b"one")).await;
    let after = rig.begin("alice").await;
    assert_eq!(after["user"]["id"], before["user"]["id"]);
    let there = json!([{ "type": "public-key", "id": base64url(b"one") }]);
    assert_eq!(after["excludeCredentials"], there);
    let bob = rig.begin("bob").await;
    assert_ne!(bob["user"]["id"], before["user"]["id"]);
    assert_eq!(bob["excludeCredentials"], json!([]));
    // Another user of the name is another user.
    rig.user("alice", later(1));
    let other = rig.begin("alice").await;
    assert_ne!(other["user"]["id"], before["user"]["id"]);
    assert_eq!(other["excludeCredentials"], json!([]));
}

#[tokio::test]
async fn there_are_so_many_passkeys_of_a_user_and_registrations_under_way() {
    let rig = Rig::new();
    let (last, raced) = (rig.begin("alice").await, rig.begin("alice").await);
    for number in 0..limits::PASSKEYS_EACH - 1 {
        rig.register("alice", &mut device(&number.to_be_bytes())).await;
    }
    let finish = async |options: &Value, id: &[u8]| {
        let answer = device(id).create(options).unwrap();
        rig.finish("alice", &answer, NOW).await
    };
    assert!(finish(&last, b"last").await.is_ok());
    assert!(finish(&raced, b"raced").await.unwrap_err().contains("no more"));
    assert!(matches!(rig.passkeys.begin("alice", NOW).await, Err(PasskeyError::TooMany)));
    for _ in 0..limits::PASSKEY_REGISTRATIONS_EACH {
        rig.begin("bob").await;
    }
    let busy = rig.passkeys.begin("bob", NOW).await;
    assert!(matches!(busy, Err(PasskeyError::Busy(Rejection::TooManyAttempts))));
    assert!(matches!(rig.passkeys.begin("eve", NOW).await, Err(PasskeyError::NoSuchUser)));
}

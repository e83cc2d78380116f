//! A person comes in by a passkey, over messages: an authenticator in software signs what it is asked
//! to, and lies as it is told to.

use anyhow::ensure;
use serde_json::{Value, json};
use vestibule_testkit::{Authenticator, Message, Peer, Setup};

use crate::{
    accounts::{PASSWORD, add, log_in},
    admin::ask,
    endpoint::Ask,
    rig::{No, Outcome, PAGE, Rig, close, closed, converse},
};

pub(crate) const PARTY: &str = "example.com";
const ROUTE: &str = "accept = [\"message\"]\nmechanisms = [\"webauthn\", \"bearer\"]\n";

/// A gateway with passkeys, and its users Alice and Bob.
pub(crate) fn rig(route: &str) -> anyhow::Result<Rig> {
    let section = format!("[auth.webauthn]\nrp_id = {PARTY:?}\norigins = [{PAGE:?}]\n");
    let change =
        |setup: Setup| setup.table("[auth]").table(&section).table("[store]\npath = \"kept.redb\"");
    let rig = Rig::with(route, change)?;
    add(&rig, "alice")?;
    add(&rig, "bob")?;
    Ok(rig)
}

/// An access token of a user's login.
pub(crate) fn access(rig: &Rig, user: &str) -> anyhow::Result<String> {
    let (_, said) = log_in(rig, user, PASSWORD)?;
    Ok(said["access_token"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn device(id: &[u8]) -> anyhow::Result<Authenticator> {
    Authenticator::new(PAGE, PARTY, id)
}

/// What a browser is to be asked for, for a user.
pub(crate) fn options(rig: &Rig, token: &str) -> anyhow::Result<Value> {
    let said = Ask::post("/auth/webauthn/register/options").bearer(token).of(&rig.gateway)?;
    Ok(said.fine()?["options"].clone())
}

/// A passkey that is registered with a user, and what the gateway says of it.
pub(crate) fn registered(
    rig: &Rig,
    user: &str,
    id: &[u8],
) -> anyhow::Result<(Authenticator, Value)> {
    let (token, mut device) = (access(rig, user)?, device(id)?);
    let credential = device.create(&options(rig, &token)?)?;
    let body = json!({ "name": "Laptop", "credential": credential });
    let said = Ask::post("/auth/webauthn/register").bearer(&token).json(&body).of(&rig.gateway)?;
    ensure!(said.head.status() == 201, "{} {}", said.head, said.body);
    Ok((device, said.body))
}

/// Is asked back, with a name or without.
pub(crate) fn begin(client: &mut Peer, user: Option<&str>) -> anyhow::Result<Value> {
    let message = match user {
        Some(user) => json!({"type": "authenticate", "mechanism": "webauthn", "user": user}),
        None => json!({"type": "authenticate", "mechanism": "webauthn"}),
    };
    client.send_text(&json!({ "auth": message }).to_string())?;
    let challenge = client.expect_auth("challenge")?;
    ensure!(challenge["expires_in"].as_u64().is_some_and(|left| left > 50), "{challenge}");
    Ok(challenge["options"].clone())
}

pub(crate) fn respond(client: &mut Peer, assertion: &Value) -> Outcome {
    let message = json!({"auth": { "type": "respond", "assertion": assertion }});
    Ok(client.send_text(&message.to_string())?)
}

pub(crate) fn refused(client: &mut Peer) -> Outcome {
    let rejected = client.expect_auth("rejected")?;
    ensure!(rejected["error"] == "invalid_credentials", "{rejected}");
    ensure!(rejected["retry"] == true, "{rejected}");
    Ok(())
}

/// A connection that has presented its passkey.
pub(crate) fn enter(rig: &Rig, device: &mut Authenticator) -> anyhow::Result<Peer> {
    let mut client = rig.wait_at_the_door()?;
    let options = begin(&mut client, None)?;
    respond(&mut client, &device.get(&options)?)?;
    Ok(client)
}

#[test]
fn who_has_a_passkey_is_let_in_with_a_name_and_without() -> Outcome {
    let rig = rig(ROUTE)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    for user in [None, Some("alice")] {
        let mut client = rig.wait_at_the_door()?;
        let options = begin(&mut client, user)?;
        assert_eq!(options["rpId"], PARTY);
        assert_eq!(options["userVerification"], "required");
        respond(&mut client, &device.get(&options)?)?;
        let (mut upstream, head) = rig.upstream.switch("")?;
        let accepted = client.expect_auth("accepted")?;
        assert_eq!(
            (&accepted["subject"], &accepted["mechanism"]),
            (&json!("alice"), &json!("webauthn"))
        );
        assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
        assert_eq!(head.one("x-vestibule-mechanism"), Some("webauthn"));
        converse(&mut client, &mut upstream, "hello")?;
    }
    Ok(())
}

#[test]
fn whoever_is_named_is_challenged_alike() -> Outcome {
    let rig = rig(ROUTE)?;
    registered(&rig, "alice", b"one")?;
    let mut seen = Vec::new();
    for user in [None, Some("alice"), Some("bob"), Some("nobody")] {
        let mut options = begin(&mut rig.wait_at_the_door()?, user)?;
        ensure!(options["challenge"].take().as_str().is_some_and(|it| it.len() == 43));
        seen.push(options);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    Ok(())
}

/// How an authenticator is made to lie.
type Lie<'a> = &'a dyn Fn(&mut Authenticator);

#[test]
fn what_was_signed_for_something_else_lets_nobody_in() -> Outcome {
    let rig = rig(ROUTE)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    let (other, _) = registered(&rig, "bob", b"two")?;
    // The challenge of another connection.
    let mut elsewhere = rig.wait_at_the_door()?;
    let foreign = begin(&mut elsewhere, None)?;
    let mut client = rig.wait_at_the_door()?;
    begin(&mut client, None)?;
    respond(&mut client, &device.get(&foreign)?)?;
    refused(&mut client)?;
    let lies: [Lie<'_>; 7] = [
        &|device| "https://evil.example.com".clone_into(&mut device.origin),
        &|device| "http://app.example.com".clone_into(&mut device.origin),
        &|device| "evil.example".clone_into(&mut device.party),
        &|device| device.flags = Authenticator::PRESENT,
        &|device| device.flags = Authenticator::VERIFIED,
        &|device| device.handle.clone_from(&other.handle),
        &|device| device.id = b"two".to_vec(),
    ];
    let (origin, handle) = (device.origin.clone(), device.handle.clone());
    for lie in lies {
        lie(&mut device);
        refused(&mut enter(&rig, &mut device)?)?;
        (device.origin, device.handle) = (origin.clone(), handle.clone());
        PARTY.clone_into(&mut device.party);
        device.flags = Authenticator::PRESENT | Authenticator::VERIFIED;
        device.id = b"one".to_vec();
    }
    rig.expect_undialled()?;
    enter(&rig, &mut device)?;
    rig.upstream.switch("")?;
    Ok(())
}

#[test]
fn the_passkey_of_somebody_else_is_refused_like_an_unknown_one() -> Outcome {
    let rig = rig(ROUTE)?;
    let (mut alices, _) = registered(&rig, "alice", b"one")?;
    let (mut bobs, _) = registered(&rig, "bob", b"two")?;
    let mut unknown = device(b"three")?;
    unknown.handle.clone_from(&alices.handle);
    for (user, device) in
        [(Some("alice"), &mut bobs), (Some("nobody"), &mut alices), (None, &mut unknown)]
    {
        let mut client = rig.wait_at_the_door()?;
        let options = begin(&mut client, user)?;
        respond(&mut client, &device.get(&options)?)?;
        refused(&mut client)?;
    }
    rig.expect_undialled()
}

#[test]
fn a_copy_of_an_authenticator_is_noticed() -> Outcome {
    let rig = rig(ROUTE)?;
    let token = access(&rig, "alice")?;
    let mut device = device(b"one")?;
    device.count = 7;
    let credential = device.create(&options(&rig, &token)?)?;
    let body = json!({ "credential": credential });
    let said = Ask::post("/auth/webauthn/register").bearer(&token).json(&body).of(&rig.gateway)?;
    assert_eq!(said.head.status(), 201);
    let mut client = enter(&rig, &mut device)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    device.count = 7;
    refused(&mut enter(&rig, &mut device)?)?;
    Ok(())
}

#[test]
fn a_response_counts_once_and_only_behind_its_challenge() -> Outcome {
    let rig = rig(ROUTE)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    let mut client = rig.wait_at_the_door()?;
    let first = begin(&mut client, None)?;
    let right = device.get(&first)?;
    // Another challenge takes the place of the first.
    begin(&mut client, None)?;
    respond(&mut client, &right)?;
    refused(&mut client)?;
    respond(&mut client, &right)?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    rig.expect_undialled()
}

#[test]
fn a_person_may_take_longer_than_the_route_gives_a_program() -> Outcome {
    let rig = rig(&format!("{ROUTE}auth_deadline = \"1s\"\n"))?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    let mut client = rig.wait_at_the_door()?;
    let options = begin(&mut client, None)?;
    // Who comes later and has nobody to wait for is sent away meanwhile.
    let mut idle = rig.wait_at_the_door()?;
    assert_eq!(closed(&mut idle)?, close(4408, "auth_timeout"));
    respond(&mut client, &device.get(&options)?)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    Ok(())
}

#[test]
fn what_is_malformed_ends_the_connection_at_every_step() -> Outcome {
    let rig = rig(ROUTE)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    let begins = |members: &str| {
        format!(r#"{{"auth":{{"type":"authenticate","mechanism":"webauthn"{members}}}}}"#)
    };
    for first in [
        begins(r#","user":7"#),
        begins(r#","user":"""#),
        begins(r#","user":null"#),
        begins(r#","user":["alice"]"#),
        begins(r#","token":"alice""#),
        begins(r#","user":"alice","user":"bob""#),
        r#"{"auth":{"type":"respond","assertion":{}}}"#.to_owned(),
    ] {
        let mut client = rig.wait_at_the_door()?;
        client.send_text(&first)?;
        assert_eq!(closed(&mut client)?, close(4400, "invalid_request"), "{first}");
    }
    let mut client = rig.wait_at_the_door()?;
    let good = device.get(&begin(&mut client, None)?)?;
    let without = |name: &str| {
        let mut assertion = good.clone();
        assertion["response"].as_object_mut().map(|members| members.remove(name));
        assertion.to_string()
    };
    let text = good.to_string();
    let (half, _) = text.split_at(text.len() / 2);
    for assertion in [
        "\"a string\"".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        half.to_owned(),
        format!("{}1{}", "[".repeat(4000), "]".repeat(4000)),
        format!(r#"{{"a":{}1{}}}"#, "[".repeat(4000), "]".repeat(4000)),
        without("clientDataJSON"),
        without("authenticatorData"),
        without("signature"),
        text.replacen("\"id\":", "\"id\":\"AAAA\",\"id\":", 1),
        text.replacen("public-key", "password", 1),
        text.replacen("\"signature\":\"", "\"signature\":\"=", 1),
        format!(r#"{{"pad":"{}"}}"#, "x".repeat(17_000)),
    ] {
        let mut client = rig.wait_at_the_door()?;
        begin(&mut client, None)?;
        client.send_text(&format!(r#"{{"auth":{{"type":"respond","assertion":{assertion}}}}}"#))?;
        ended(&mut client)?;
    }
    for response in [
        json!({"type": "respond", "message": "c=biws"}),
        json!({"type": "respond", "signature": "AAAA"}),
        json!({"type": "respond", "assertion": good, "message": "c=biws"}),
        json!({"type": "refresh", "mechanism": "webauthn"}),
    ] {
        let mut client = rig.wait_at_the_door()?;
        begin(&mut client, None)?;
        client.send_text(&json!({ "auth": response }).to_string())?;
        ended(&mut client)?;
    }
    rig.expect_undialled()
}

/// By 4400, with `rejected` before it where a response was judged.
fn ended(client: &mut Peer) -> Outcome {
    let said = match client.message()? {
        Message::Text(_) => closed(client)?,
        Message::Close(code, reason) => No::Close(code, reason),
        other => anyhow::bail!("{other:?}"),
    };
    assert_eq!(said, close(4400, "invalid_request"));
    Ok(())
}

#[test]
fn an_assertion_that_is_too_long_for_a_credential_is_none() -> Outcome {
    let rig = rig(ROUTE)?;
    let mut client = rig.wait_at_the_door()?;
    begin(&mut client, None)?;
    respond(&mut client, &json!({ "pad": "x".repeat(13_000) }))?;
    let rejected = client.expect_auth("rejected")?;
    assert_eq!((&rejected["error"], &rejected["retry"]), (&json!("invalid_token"), &json!(true)));
    rig.expect_undialled()
}

#[test]
fn a_user_who_is_shut_out_does_not_come_in_by_a_passkey_and_is_put_out() -> Outcome {
    let rig = rig(ROUTE)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    let mut client = enter(&rig, &mut device)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    let (status, _) = ask(&rig, "PATCH /api/v1/users/alice", &json!({ "state": "disabled" }))?;
    assert_eq!(status, 200);
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    refused(&mut enter(&rig, &mut device)?)
}

#[test]
fn passkeys_outlive_the_process() -> Outcome {
    let mut rig = rig(ROUTE)?;
    let (mut device, _) = registered(&rig, "alice", b"one")?;
    rig.gateway.signal("-KILL")?;
    rig.gateway.wait()?;
    rig.gateway = rig.setup.start(crate::rig::binary())?;
    let mut client = enter(&rig, &mut device)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    Ok(())
}

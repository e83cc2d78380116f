//! A client signs a challenge with a key that never leaves it, by real `ssh-keygen` and by raw
//! signatures.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Peer, Setup};

use crate::{
    admin::ask,
    rig::{No, Outcome, PAGE, Rig, close, closed, converse},
};

const ROUTE: &str = "accept = [\"message\"]\nmechanisms = [\"public-key\", \"bearer\"]\n";
const HOST: &str = "localhost";

/// What is made of a nonce.
type Answer<'a, T> = &'a dyn Fn(&str) -> anyhow::Result<T>;

/// A gateway with its user Alice.
pub(crate) fn rig(route: &str) -> anyhow::Result<Rig> {
    let other = format!("origins = [{PAGE:?}]\n{ROUTE}");
    let change = |setup: Setup| setup.table("[auth]").route("/other", "ws://127.0.0.1:9", &other);
    let rig = Rig::with(route, change)?;
    let user = json!({ "name": "alice", "password": "a long password" });
    let (status, body) = ask(&rig, "POST /api/v1/users", &user)?;
    ensure!(status == 201, "{status} {body}");
    Ok(rig)
}

/// A key pair made by `ssh-keygen`.
pub(crate) struct Pair {
    file: PathBuf,
    line: String,
    pub(crate) fingerprint: String,
}

impl Pair {
    fn new(rig: &Rig, name: &str, kind: &str) -> anyhow::Result<Self> {
        let file = rig.setup.folder().join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-C", "alice@laptop", "-f"])
            .arg(&file)
            .status()?;
        ensure!(made.success(), "ssh-keygen makes no key");
        let line = fs::read_to_string(file.with_extension("pub"))?;
        let shown = Command::new("ssh-keygen").arg("-lf").arg(&file).output()?;
        let shown = String::from_utf8(shown.stdout)?;
        let fingerprint = shown.split(' ').nth(1).context("no fingerprint")?.to_owned();
        Ok(Self { file, line, fingerprint })
    }

    pub(crate) fn registered(rig: &Rig, name: &str, kind: &str) -> anyhow::Result<(Self, Value)> {
        Self::of(rig, "alice", name, kind)
    }

    /// Registered with this user.
    pub(crate) fn of(
        rig: &Rig,
        user: &str,
        name: &str,
        kind: &str,
    ) -> anyhow::Result<(Self, Value)> {
        let pair = Self::new(rig, name, kind)?;
        let key = json!({ "user": user, "key": pair.line });
        let (status, body) = ask(rig, "POST /api/v1/public-keys", &key)?;
        ensure!(status == 201 && body["fingerprint"] == *pair.fingerprint, "{status} {body}");
        Ok((pair, body))
    }

    /// What `ssh-keygen -Y sign` makes of these parts.
    pub(crate) fn sign(&self, namespace: &str, parts: &[&str]) -> anyhow::Result<String> {
        let message = self.file.with_extension("message");
        let signature = self.file.with_extension("message.sig");
        if signature.exists() {
            fs::remove_file(&signature)?;
        }
        fs::write(&message, parts.join("\0"))?;
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(&self.file)
            .arg(&message)
            .output()?;
        ensure!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        Ok(fs::read_to_string(signature)?)
    }
}

pub(crate) fn begin(client: &mut Peer, fingerprint: &str) -> anyhow::Result<String> {
    let message = json!({"auth": {
        "type": "authenticate", "mechanism": "public-key", "key": fingerprint
    }});
    client.send_text(&message.to_string())?;
    let challenge = client.expect_auth("challenge")?;
    ensure!(challenge["expires_in"].as_u64().is_some_and(|left| left <= 5), "{challenge}");
    Ok(challenge["nonce"].as_str().context("no nonce")?.to_owned())
}

pub(crate) fn parts<'a>(nonce: &'a str, origin: &'a str) -> [&'a str; 5] {
    ["vestibule-public-key-v1", nonce, HOST, "/ws", origin]
}

pub(crate) fn respond(client: &mut Peer, signature: &str) -> Outcome {
    let message = json!({"auth": { "type": "respond", "sshsig": signature }});
    Ok(client.send_text(&message.to_string())?)
}

pub(crate) fn refused(client: &mut Peer) -> Outcome {
    let rejected = client.expect_auth("rejected")?;
    ensure!(rejected["error"] == "invalid_credentials", "{rejected}");
    ensure!(rejected["retry"] == true, "{rejected}");
    Ok(())
}

#[test]
fn who_signs_by_ssh_keygen_is_let_in_as_the_user_of_the_key() -> Outcome {
    let rig = rig(ROUTE)?;
    for kind in ["ed25519", "ecdsa"] {
        let (pair, _) = Pair::registered(&rig, kind, kind)?;
        let mut client = rig.wait_at_the_door()?;
        let nonce = begin(&mut client, &pair.fingerprint)?;
        respond(&mut client, &pair.sign("vestibule", &parts(&nonce, ""))?)?;
        let (mut upstream, head) = rig.upstream.switch("")?;
        let accepted = client.expect_auth("accepted")?;
        assert_eq!(accepted["subject"], "alice");
        assert_eq!(accepted["mechanism"], "public-key");
        assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
        assert_eq!(head.one("x-vestibule-mechanism"), Some("public-key"));
        converse(&mut client, &mut upstream, "hello")?;
    }
    Ok(())
}

#[test]
fn a_page_signs_its_own_origin() -> Outcome {
    let rig = rig(ROUTE)?;
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    for (origin, is_let_in) in [("", false), ("https://evil.example.com", false), (PAGE, true)] {
        let mut client = rig.send(&Handshake::to("/ws").origin(PAGE))?;
        client.expect_switch()?;
        let nonce = begin(&mut client, &pair.fingerprint)?;
        respond(&mut client, &pair.sign("vestibule", &parts(&nonce, origin))?)?;
        if is_let_in {
            let (_upstream, _) = rig.upstream.switch("")?;
            client.expect_auth("accepted")?;
        } else {
            refused(&mut client)?;
        }
    }
    Ok(())
}

#[test]
fn a_signature_for_something_else_lets_nobody_in() -> Outcome {
    let rig = rig(ROUTE)?;
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    let stranger = Pair::new(&rig, "stranger", "ed25519")?;
    let mut elsewhere = rig.wait_at_the_door()?;
    let other = begin(&mut elsewhere, &pair.fingerprint)?;
    let domain = "vestibule-public-key-v1";
    let signatures: [Answer<'_, String>; 7] = [
        // The challenge of another connection.
        &|_| pair.sign("vestibule", &parts(&other, "")),
        &|nonce| pair.sign("vestibule", &[domain, nonce, "evil.example.com", "/ws", ""]),
        &|nonce| pair.sign("vestibule", &[domain, nonce, HOST, "/other", ""]),
        &|nonce| pair.sign("vestibule", &["vestibule-public-key-v2", nonce, HOST, "/ws", ""]),
        &|nonce| pair.sign("vestibule", &[domain, nonce, HOST, "/ws"]),
        &|nonce| stranger.sign("vestibule", &parts(nonce, "")),
        &|_| pair.sign("vestibule", &[""]),
    ];
    for signature in signatures {
        let mut client = rig.wait_at_the_door()?;
        let nonce = begin(&mut client, &pair.fingerprint)?;
        respond(&mut client, &signature(&nonce)?)?;
        refused(&mut client)?;
    }
    rig.expect_undialled()
}

#[test]
fn an_unknown_key_is_challenged_and_refused_like_a_known_one() -> Outcome {
    let rig = rig(ROUTE)?;
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    let stranger = Pair::new(&rig, "stranger", "ed25519")?;
    for named in [&pair.fingerprint, &stranger.fingerprint] {
        let mut client = rig.wait_at_the_door()?;
        let nonce = begin(&mut client, named)?;
        respond(&mut client, &stranger.sign("vestibule", &parts(&nonce, ""))?)?;
        refused(&mut client)?;
    }
    Ok(())
}

#[test]
fn a_response_counts_once_and_only_behind_its_challenge() -> Outcome {
    let rig = rig(ROUTE)?;
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &pair.fingerprint)?;
    let right = pair.sign("vestibule", &parts(&nonce, ""))?;
    // Another challenge takes the place of the first.
    begin(&mut client, &pair.fingerprint)?;
    respond(&mut client, &right)?;
    refused(&mut client)?;
    respond(&mut client, &right)?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    rig.expect_undialled()
}

#[test]
fn what_is_malformed_ends_the_connection_at_every_step() -> Outcome {
    let rig = rig(ROUTE)?;
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    let begins = |key: Value| {
        json!({"auth": {"type": "authenticate", "mechanism": "public-key", "key": key}}).to_string()
    };
    let early = r#"{"auth":{"type":"respond","signature":"AAAA"}}"#.to_owned();
    for first in [begins(json!("SHA256:short")), begins(json!(7)), begins(json!("")), early] {
        let mut client = rig.wait_at_the_door()?;
        client.send_text(&first)?;
        ended(&mut client)?;
    }
    let wrong_namespace = |nonce: &str| pair.sign("file", &parts(nonce, ""));
    let responses: [Answer<'_, Value>; 6] = [
        &|_| Ok(json!({"type": "respond", "signature": "AAAA"})),
        &|_| Ok(json!({"type": "respond", "message": "c=biws"})),
        &|_| Ok(json!({"type": "respond", "sshsig": "-----BEGIN SSH SIGNATURE-----"})),
        &|nonce| Ok(json!({"type": "respond", "sshsig": wrong_namespace(nonce)?})),
        &|_| Ok(json!({"type": "respond"})),
        &|_| Ok(json!({"type": "refresh", "mechanism": "public-key", "key": "x"})),
    ];
    for response in responses {
        let mut client = rig.wait_at_the_door()?;
        let nonce = begin(&mut client, &pair.fingerprint)?;
        client.send_text(&json!({ "auth": response(&nonce)? }).to_string())?;
        ended(&mut client)?;
    }
    rig.expect_undialled()
}

/// By 4400, with `rejected` before it where a response was judged.
fn ended(client: &mut Peer) -> Outcome {
    let said = match client.message()? {
        vestibule_testkit::Message::Text(_) => closed(client)?,
        vestibule_testkit::Message::Close(code, reason) => No::Close(code, reason),
        other => anyhow::bail!("{other:?}"),
    };
    assert_eq!(said, close(4400, "invalid_request"));
    Ok(())
}

#[test]
fn a_response_after_the_deadline_finds_the_door_closed() -> Outcome {
    let rig = rig(&format!("{ROUTE}auth_deadline = \"1s\"\n"))?;
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    let mut client = rig.wait_at_the_door()?;
    begin(&mut client, &pair.fingerprint)?;
    assert_eq!(closed(&mut client)?, close(4408, "auth_timeout"));
    rig.expect_undialled()
}

#[test]
fn removing_a_key_ends_what_came_by_it_and_it_can_be_registered_again() -> Outcome {
    let rig = rig(ROUTE)?;
    let (pair, shown) = Pair::registered(&rig, "key", "ed25519")?;
    let enter = || -> anyhow::Result<Peer> {
        let mut client = rig.wait_at_the_door()?;
        let nonce = begin(&mut client, &pair.fingerprint)?;
        respond(&mut client, &pair.sign("vestibule", &parts(&nonce, ""))?)?;
        Ok(client)
    };
    let mut client = enter()?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    let id = shown["id"].as_str().context("no id")?;
    let (status, _) = ask(&rig, &format!("DELETE /api/v1/public-keys/{id}"), &Value::Null)?;
    assert_eq!(status, 204);
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    refused(&mut enter()?)?;
    let key = json!({ "user": "alice", "key": pair.line });
    assert_eq!(ask(&rig, "POST /api/v1/public-keys", &key)?.0, 201);
    assert_eq!(ask(&rig, "POST /api/v1/public-keys", &key)?.0, 409);
    let mut client = enter()?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    Ok(())
}

#[test]
fn a_user_who_is_shut_out_does_not_come_in_by_a_key() -> Outcome {
    let rig = rig(ROUTE)?;
    let (pair, _) = Pair::registered(&rig, "key", "ed25519")?;
    let (status, _) = ask(&rig, "PATCH /api/v1/users/alice", &json!({ "state": "disabled" }))?;
    assert_eq!(status, 200);
    let mut client = rig.wait_at_the_door()?;
    let nonce = begin(&mut client, &pair.fingerprint)?;
    respond(&mut client, &pair.sign("vestibule", &parts(&nonce, ""))?)?;
    refused(&mut client)?;
    rig.expect_undialled()
}

#[test]
fn only_keys_that_can_be_used_are_registered() -> Outcome {
    let rig = rig(ROUTE)?;
    let pair = Pair::new(&rig, "key", "ed25519")?;
    let rsa = Pair::new(&rig, "rsa", "rsa")?;
    let private = fs::read_to_string(&pair.file)?;
    let command = format!("command=\"/bin/sh\" {}", pair.line);
    for (user, key) in [
        ("alice", rsa.line.as_str()),
        ("alice", &private),
        ("alice", &command),
        ("alice", ""),
        ("alice", "{}"),
        ("nobody", &pair.line),
    ] {
        let (status, body) =
            ask(&rig, "POST /api/v1/public-keys", &json!({ "user": user, "key": key }))?;
        assert_eq!(status, 400, "{body}");
    }
    Ok(())
}

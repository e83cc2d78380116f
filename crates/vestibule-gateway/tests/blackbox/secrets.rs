//! No credential in anything that the gateway writes, to whomever (invariant 3).

use vestibule_testkit::{
    Handshake, Head, Issuer, Key, KeyKind, Message, Peer, base64, base64url, eventually, with,
};

use crate::rig::{Outcome, PAGE, Rig, binary};

const EVERY: &str = "accept = [\"header\", \"cookie\", \"query\", \"subprotocol\", \"message\"]\n\
                     cookie = \"session\"\ndangerous_token_in_query = true\n\
                     expiry_grace = \"0s\"\nauth_deadline = \"1m\"\n";

/// Texts that must not be seen, with a name for each.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, name: &str, secret: &str) {
        let mut add = |what: &str, text: String| {
            // Shorter ones would be found by chance.
            if text.len() >= 12 {
                self.0.push((format!("{name}, {what}"), text));
            }
        };
        add("as it is", secret.to_owned());
        add("as base64", base64(secret.as_bytes()).trim_end_matches('=').to_owned());
        add("as base64url", base64url(secret.as_bytes()));
        add("percent-encoded", secret.replace('.', "%2E").replace('-', "%2D"));
        add("as a list of bytes", {
            let bytes: Vec<String> = secret.bytes().take(12).map(|b| b.to_string()).collect();
            bytes.join(", ")
        });
        if let Some((_, signature)) = secret.rsplit_once('.') {
            add("its signature", signature.to_owned());
            add("the end of its signature", signature[signature.len() / 2..].to_owned());
        }
    }

    fn check(&self, place: &str, text: &str) -> Outcome {
        for (name, secret) in &self.0 {
            if let Some(at) = text.find(secret.as_str()) {
                let from = text.floor_char_boundary(at.saturating_sub(100));
                anyhow::bail!("{place} has {name}: …{}", &text[from..at]);
            }
        }
        Ok(())
    }
}

/// Everything that a client hears until the end, as text.
fn everything(client: &mut Peer) -> String {
    String::from_utf8_lossy(&client.rest().unwrap_or_default()).into_owned()
}

#[test]
fn no_credential_is_in_any_output_or_upstream_request() -> Outcome {
    let shared = Issuer::with_key("https://hmac.example", Key::generate(KeyKind::Secret, "s")?)?;
    let mut rig =
        Rig::with(EVERY, |setup| setup.level("trace").issuer("hmac", &shared, "").unwrap())?;
    let mut secrets = Secrets::default();
    secrets.add("the shared secret", shared.key.secret());
    let mut token = |name: &str, token: anyhow::Result<String>| -> anyhow::Result<String> {
        let token = token?;
        secrets.add(name, &token);
        Ok(token)
    };
    let issuer = &rig.issuer;
    let good = token("a good token", issuer.token("alice"))?;
    let hmac = token("a good HMAC token", shared.token("alice"))?;
    let forged = token("a forged token", issuer.forged("alice"))?;
    let expired = token("an expired token", issuer.token_for("alice", -90.0))?;
    let foreign = with(issuer.claims("alice"), "aud", "https://elsewhere.example".into());
    let foreign = token("a token for somebody else", issuer.sign(&foreign))?;
    let garbage =
        token("garbage", Ok("this-is-a-password.not-a-token.at-all-it-is-not".to_owned()))?;
    let refresh = token("a refresh", issuer.token("alice"))?;
    let other = token("a refresh of somebody else", issuer.token("bob"))?;

    let page = Handshake::to("/ws").origin(PAGE);
    let mut heads: Vec<Head> = Vec::new();
    // Every carrier with every token; some get in, some do not.
    for token in [&good, &hmac, &forged, &expired, &foreign, &garbage] {
        let gets_in = token == &good || token == &hmac;
        for handshake in [
            page.clone().bearer(token),
            Handshake::to("/ws").bearer(token),
            page.clone().field("Cookie", &format!("a=1; session={token}")),
            Handshake::to(&format!("/ws?access_token={token}&x=1")).origin(PAGE),
            page.clone().subprotocols(&format!("chat, vestibule.bearer.{token}")),
            page.clone().subprotocols(&format!(
                "chat, base64url.bearer.phx.{}",
                base64url(token.as_bytes())
            )),
            page.clone().subprotocols(&format!("bearer, {token}")),
        ] {
            let mut client = rig.send(&handshake)?;
            if gets_in {
                let (upstream, head) = rig.upstream.switch("")?;
                heads.push(head);
                drop(upstream);
            } else {
                // A cookie that fails counts as none: the client may wait, and leaves.
                client.finish()?;
            }
            let heard = everything(&mut client);
            secrets.check("an answer to a client", &heard)?;
        }
    }
    // Requests that break in the middle of a secret.
    for bytes in [
        format!("GET /ws HTTP/1.1\r\nAuthorization: Bearer {good}\r\nHost: a b\r\n\r\n"),
        format!("GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {good}\r\n\r\n"),
        format!("GET /ws?access_token={good} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /ws?access_token={good} HTTP/9.9\r\nHost: x\r\n\r\n"),
        format!("GET /nowhere?access_token={good} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /ws/{good} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {good}\r\n\r\n"),
        format!("{good}\r\n\r\n"),
    ] {
        let mut client = rig.gateway.connect()?;
        client.send(bytes)?;
        client.finish()?;
        secrets.check("an answer to a broken request", &everything(&mut client))?;
    }
    // Messages, before and after admission.
    let mut client = rig.wait_at_the_door()?;
    for token in [&forged, &expired] {
        client.authenticate(token)?;
        client.expect_auth("rejected")?;
    }
    client.authenticate(&good)?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    heads.push(head);
    client.expect_auth("accepted")?;
    for token in [&refresh, &forged, &foreign, &garbage] {
        client.refresh(token)?;
        let Message::Text(said) = client.message()? else { panic!() };
        secrets.check("a message", &said)?;
    }
    client.refresh(&other)?;
    secrets.check("a close", &everything(&mut client))?;
    secrets.check("the upstream's stream", &everything(&mut upstream))?;
    for text in [
        format!(
            r#"{{"auth":{{"type":"authenticate","mechanism":"bearer","token":"{good}","x":1}}}}"#
        ),
        format!(r#"{{"auth":{{"type":"authenticate","mechanism":"{good}","token":"x"}}}}"#),
        format!(r#"{{"auth":{{"type":"{good}"}}}}"#),
        good.clone(),
    ] {
        let mut client = rig.wait_at_the_door()?;
        client.send_text(&text)?;
        client.finish()?;
        secrets.check("an answer to a bad message", &everything(&mut client))?;
    }

    for head in &heads {
        secrets.check("a request to the upstream", &head.to_string())?;
    }
    eventually("everybody is gone", || Ok(rig.gateway.metric("vestibule_connections")? == 0.0))?;
    for path in ["/metrics", "/readyz"] {
        secrets.check(path, &rig.gateway.ask(path)?.1)?;
    }
    rig.gateway.terminate()?;
    rig.gateway.wait()?;
    let log = rig.gateway.log().text();
    assert!(log.contains("\"TRACE\"") || log.contains("\"DEBUG\""), "the log is too quiet to tell");
    secrets.check("the log", &log)?;
    secrets.check("standard output", &rig.gateway.output().text())
}

#[test]
fn no_credential_is_in_what_the_commands_print() -> Outcome {
    let rig = Rig::new(r#"accept = ["header"]"#)?;
    let mut secrets = Secrets::default();
    let forged = rig.issuer.forged("alice")?;
    secrets.add("a forged token", &forged);
    let jwks = rig.setup.folder().join("idp.jwks").display().to_string();
    let token = rig.setup.file("token", &forged)?.display().to_string();
    let url = format!("ws://{}/ws", rig.gateway.address());
    for arguments in [
        &["token", "verify", "--jwks", &jwks][..],
        &["connect", &url, "--token-file", &token, "--once", "x"],
        &["connect", &url, "--token", &forged, "--once", "x"],
        &["connect", &url, "--token", &forged, "--carrier", "nonsense"],
    ] {
        let mut command = std::process::Command::new(binary());
        command.args(arguments);
        let output = vestibule_testkit::run(command, &forged)?;
        secrets.check(&format!("{arguments:?}"), &output.stdout)?;
        secrets.check(&format!("{arguments:?}"), &output.stderr)?;
    }
    Ok(())
}

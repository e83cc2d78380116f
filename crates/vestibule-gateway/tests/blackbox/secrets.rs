//! No credential in anything that the gateway writes, to whomever (invariant 3).

use serde_json::json;
use vestibule_testkit::{
    Handshake, Issuer, Key, KeyKind, Message, Peer, base64, base64url, eventually, with,
};

use crate::{
    accounts::{PASSWORD, add, key, log_in, operate},
    admin,
    endpoint::{Ask, ticket},
    rig::{Outcome, PAGE, Rig, binary},
};

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

/// Tokens of every fate.
struct Tokens {
    good: String,
    hmac: String,
    forged: String,
    expired: String,
    foreign: String,
    garbage: String,
    refresh: String,
    other: String,
}

impl Tokens {
    fn new(rig: &Rig, shared: &Issuer) -> anyhow::Result<Self> {
        let issuer = &rig.issuer;
        let elsewhere = with(issuer.claims("alice"), "aud", "https://elsewhere.example".into());
        let again = with(issuer.claims("alice"), "jti", "again".into());
        Ok(Self {
            good: issuer.token("alice")?,
            hmac: shared.token("alice")?,
            forged: issuer.forged("alice")?,
            expired: issuer.token_for("alice", -90.0)?,
            foreign: issuer.sign(&elsewhere)?,
            garbage: "this-is-a-password.not-a-token.at-all-it-is-not".to_owned(),
            refresh: issuer.sign(&again)?,
            other: issuer.token("bob")?,
        })
    }

    fn secrets(&self, shared: &Issuer) -> Secrets {
        let Self { good, hmac, forged, expired, foreign, garbage, refresh, other } = self;
        let mut secrets = Secrets::default();
        secrets.add("the shared secret", shared.key.secret());
        secrets.add("a good token", good);
        secrets.add("a good HMAC token", hmac);
        secrets.add("a forged token", forged);
        secrets.add("an expired token", expired);
        secrets.add("a token for somebody else", foreign);
        secrets.add("garbage", garbage);
        secrets.add("a refresh", refresh);
        secrets.add("a refresh of somebody else", other);
        secrets
    }
}

#[test]
fn no_credential_is_in_any_output_or_upstream_request() -> Outcome {
    let shared = Issuer::with_key("https://hmac.example", Key::generate(KeyKind::Secret, "s")?)?;
    let mut rig =
        Rig::with(EVERY, |setup| setup.level("trace").issuer("hmac", &shared, "").unwrap())?;
    let tokens = Tokens::new(&rig, &shared)?;
    let secrets = tokens.secrets(&shared);
    every_carrier_with_every_token(&rig, &tokens, &secrets)?;
    requests_that_break(&rig, &tokens, &secrets)?;
    messages_before_and_after_admission(&rig, &tokens, &secrets)?;
    messages_that_break(&rig, &tokens, &secrets)?;
    eventually("everybody is gone", || Ok(rig.gateway.metric("vestibule_connections")? == 0))?;
    for path in ["/metrics", "/readyz"] {
        secrets.check(path, &rig.gateway.ask(path)?.1)?;
    }
    rig.gateway.terminate()?;
    rig.gateway.wait()?;
    let log = rig.gateway.log().text();
    assert!(log.contains("\"TRACE\"") || log.contains("\"DEBUG\""), "too quiet to tell");
    secrets.check("the log", &log)?;
    secrets.check("standard output", &rig.gateway.output().text())
}

/// Some get in, some do not.
fn every_carrier_with_every_token(rig: &Rig, tokens: &Tokens, secrets: &Secrets) -> Outcome {
    let Tokens { good, hmac, forged, expired, foreign, garbage, .. } = tokens;
    let page = Handshake::to("/ws").origin(PAGE);
    for token in [good, hmac, forged, expired, foreign, garbage] {
        let encoded = base64url(token.as_bytes());
        for handshake in [
            page.clone().bearer(token),
            Handshake::to("/ws").bearer(token),
            page.clone().field("Cookie", &format!("a=1; session={token}")),
            Handshake::to(&format!("/ws?access_token={token}&x=1")).origin(PAGE),
            page.clone().subprotocols(&format!("chat, vestibule.bearer.{token}")),
            page.clone().subprotocols(&format!("chat, base64url.bearer.phx.{encoded}")),
            page.clone().subprotocols(&format!("bearer, {token}")),
        ] {
            let mut client = rig.send(&handshake)?;
            if token == good || token == hmac {
                let (_upstream, head) = rig.upstream.switch("")?;
                secrets.check("a request to the upstream", &head.to_string())?;
                secrets.check("a good answer", &client.expect_switch()?.to_string())?;
            }
            // A cookie that fails counts as none: the client may wait, and leaves.
            client.finish()?;
            secrets.check("an answer to a client", &everything(&mut client))?;
        }
    }
    Ok(())
}

fn requests_that_break(rig: &Rig, tokens: &Tokens, secrets: &Secrets) -> Outcome {
    let good = &tokens.good;
    for bytes in [
        format!("GET /ws HTTP/1.1\r\nAuthorization: Bearer {good}\r\nHost: a b\r\n\r\n"),
        format!("GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {good}\r\n\r\n"),
        format!("GET /ws?access_token={good} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /ws?access_token={good} HTTP/9.9\r\nHost: x\r\n\r\n"),
        format!("GET /nowhere?access_token={good} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /{good} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {good}\r\n\r\n"),
        format!("{good}\r\n\r\n"),
    ] {
        let mut client = rig.gateway.connect()?;
        client.send(bytes)?;
        client.finish()?;
        secrets.check("an answer to a broken request", &everything(&mut client))?;
    }
    Ok(())
}

fn messages_before_and_after_admission(rig: &Rig, tokens: &Tokens, secrets: &Secrets) -> Outcome {
    let mut client = rig.wait_at_the_door()?;
    for token in [&tokens.forged, &tokens.expired] {
        client.authenticate(token)?;
        client.expect_auth("rejected")?;
    }
    client.authenticate(&tokens.good)?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    secrets.check("a request to the upstream", &head.to_string())?;
    client.expect_auth("accepted")?;
    for token in [&tokens.refresh, &tokens.forged, &tokens.foreign, &tokens.garbage] {
        client.refresh(token)?;
        let Message::Text(said) = client.message()? else { panic!() };
        secrets.check("a message", &said)?;
    }
    client.refresh(&tokens.other)?;
    client.finish()?;
    secrets.check("a close", &everything(&mut client))?;
    secrets.check("the upstream's stream", &everything(&mut upstream))
}

fn messages_that_break(rig: &Rig, tokens: &Tokens, secrets: &Secrets) -> Outcome {
    let good = &tokens.good;
    for auth in [
        format!(r#""type":"authenticate","mechanism":"bearer","token":"{good}","x":1"#),
        format!(r#""type":"authenticate","mechanism":"{good}","token":"x""#),
        format!(r#""type":"{good}""#),
        format!(r#""{good}":1"#),
    ] {
        let mut client = rig.wait_at_the_door()?;
        client.send_text(&format!(r#"{{"auth":{{{auth}}}}}"#))?;
        client.finish()?;
        secrets.check("an answer to a bad message", &everything(&mut client))?;
    }
    Ok(())
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

/// What the gateway itself makes, and what is made of it.
struct Own {
    access: String,
    refresh: String,
    cookie: String,
    session: String,
    ticket: String,
    key: String,
}

impl Own {
    fn new(rig: &Rig) -> anyhow::Result<Self> {
        let (_, said) = log_in(rig, "alice", PASSWORD)?;
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let access = text("access_token");
        let body = json!({ "username": "alice", "password": PASSWORD, "cookie": true });
        let said = Ask::post("/auth/login").json(&body).of(&rig.gateway)?;
        let set = said.head.one("set-cookie").unwrap_or_default();
        let cookie = set.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
        let mut client = rig.wait_at_the_door()?;
        client.authenticate(&access)?;
        let (_upstream, _) = rig.upstream.switch("")?;
        let accepted = client.expect_auth("accepted")?;
        let session = accepted["session"].as_str().unwrap_or_default().to_owned();
        let key = key(rig, &["--machine", "robot", "--label", "the robot"])?;
        let ticket = ticket(&rig.gateway, &access)?;
        let own = Self { access, refresh: text("refresh_token"), cookie, session, ticket, key };
        for secret in own.all() {
            anyhow::ensure!(secret.len() > 40, "a secret is missing");
        }
        Ok(own)
    }

    fn all(&self) -> [&String; 6] {
        let Self { access, refresh, cookie, session, ticket, key } = self;
        [access, refresh, cookie, session, ticket, key]
    }
}

#[test]
fn nothing_that_the_gateway_hands_out_and_no_password_is_in_any_output() -> Outcome {
    let route = "accept = [\"header\", \"cookie\", \"query\", \"message\"]\n\
                 mechanisms = [\"bearer\", \"ticket\", \"session\", \"api-key\"]\n\
                 issuers = [\"local\"]\nsessions = \"issue\"\nauth_deadline = \"1m\"\n";
    let mut rig = Rig::with(route, |setup| {
        let setup = setup.level("trace").table("[auth]").table("[store]\npath = \"kept.redb\"");
        setup.admin("audit_log = \"audit.log\"")
    })?;
    add(&rig, "alice")?;
    let own = Own::new(&rig)?;
    let mut secrets = Secrets::default();
    let wrong = "a password that nobody has";
    for secret in own.all().into_iter().map(String::as_str).chain([PASSWORD, wrong]) {
        secrets.add(&secret[..4], secret);
    }
    secrets.add("the admin token", &admin::token(&rig)?);
    let page = || Handshake::to("/ws").origin(PAGE);
    for handshake in [
        page().bearer(&own.session),
        page().bearer(&own.key),
        page().field("Cookie", &format!("__Host-vestibule={}", own.cookie)),
        Handshake::to(&format!("/ws?ticket={}&x=1", own.ticket)),
    ] {
        let head = rig.asked(&handshake)?;
        secrets.check("a request to the upstream", &head.to_string())?;
    }
    own_in_the_wrong_places(&rig, &own, wrong, &secrets)?;
    for command in [
        &["user", "list"][..],
        &["user", "list", "--json"],
        &["key", "list"],
        &["key", "list", "--json"],
        &["connections"],
        &["connections", "--json"],
        &["revoke", "--subject", "alice", "--json"],
        &["revoke", "list", "--json"],
        &["user", "add", "alice", "--password-stdin"],
        &["user", "remove", &own.key],
        &["key", "remove", "nothing"],
    ] {
        // What was written on the command line is on the terminal already.
        let output = operate(&rig, command, PASSWORD)?;
        if !command.contains(&&*own.key) {
            secrets
                .check(&format!("{command:?}"), &format!("{}{}", output.stdout, output.stderr))?;
        }
    }
    for path in ["/metrics", "/readyz"] {
        secrets.check(path, &rig.gateway.ask(path)?.1)?;
    }
    let audit = std::fs::read_to_string(rig.setup.folder().join("audit.log"))?;
    assert!(audit.contains("user.add") && audit.contains("key.add"), "{audit}");
    rig.gateway.terminate()?;
    rig.gateway.wait()?;
    secrets.check("the log", &rig.gateway.log().text())?;
    secrets.check("standard output", &rig.gateway.output().text())
}

/// Each of them where it is not looked for, or not good (any more).
fn own_in_the_wrong_places(rig: &Rig, own: &Own, wrong: &str, secrets: &Secrets) -> Outcome {
    let mut asks = Vec::new();
    for secret in own.all() {
        for target in ["/auth/ticket", "/auth/verify", "/auth/nothing"] {
            asks.push(Ask::post(target).bearer(secret).json(&json!({ "path": secret })));
        }
        asks.push(
            Ask::post("/auth/refresh").json(&json!({ "refresh_token": format!("{secret}x") })),
        );
        asks.push(Ask::post("/auth/refresh").json(&json!({ "connection": secret })));
        asks.push(Ask::post("/auth/login").json(&json!({ "username": "bob", "password": secret })));
        asks.push(
            Ask::post("/auth/login").json(&json!({ "username": "bob", "password": [secret] })),
        );
        asks.push(Ask::post("/auth/login").text("application/json", secret));
        asks.push(Ask::post("/auth/login").text("text/plain", secret));
        asks.push(
            Ask::get("/auth/verify").field("X-Forwarded-Uri", &format!("/ws?ticket={secret}")),
        );
        asks.push(Ask::get(&format!("/auth/nothing?token={secret}")));
    }
    asks.push(Ask::post("/auth/login").json(&json!({ "username": "alice", "password": wrong })));
    for ask in asks {
        let said = ask.of(&rig.gateway)?;
        secrets.check("an answer", &format!("{} {}", said.head, said.body))?;
    }
    for secret in own.all() {
        let mut client = rig.wait_at_the_door()?;
        let auth = json!({ "type": "authenticate", "mechanism": "ticket", "token": secret });
        client.send_text(&json!({ "auth": auth }).to_string())?;
        client.finish()?;
        secrets.check("an answer in band", &everything(&mut client))?;
    }
    Ok(())
}

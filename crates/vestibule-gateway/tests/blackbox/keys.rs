//! The keys behind the tokens: where they come from, how they change, and what is when they do not
//! come (invariants 10 and 11).

use std::{fs, thread};

use serde_json::json;
use vestibule_testkit::{
    Echo, Gateway, Handshake, Issuer, Key, KeyKind, Provider, Served, Setup, Upstream, eventually,
    with,
};

use crate::rig::{Outcome, PAGE, binary, close, converse, http, no};

/// A gateway whose keys come from a web server.
struct Fetching {
    gateway: Gateway,
    upstream: Upstream,
    issuer: Issuer,
    _setup: Setup,
}

impl Fetching {
    /// `keys` is the line that says where the keys are.
    fn start(url: &str, key: Key, keys: &str, server: &str) -> anyhow::Result<Self> {
        let issuer = Issuer::with_key(url, key)?;
        let upstream = Upstream::start()?;
        let Issuer { url, audience, key: _ } = &issuer;
        let setup = Setup::new()?
            .server(server)
            .table(&format!(
                "[[issuers]]\nname = \"idp\"\nissuer = {url:?}\naudiences = [{audience:?}]\n{keys}\n"
            ))
            .route(
                "/ws",
                &upstream.url(),
                &format!("accept = [\"header\", \"message\"]\norigins = [{PAGE:?}]\nexpiry_grace = \"0s\""),
            );
        let gateway = setup.start(binary())?;
        Ok(Self { gateway, upstream, issuer, _setup: setup })
    }

    fn by_url(provider: &Provider, key: Key) -> anyhow::Result<Self> {
        let keys = format!("jwks_url = \"{}/jwks\"", provider.url());
        Self::start("https://id.example.com", key, &keys, "workers = 1")
    }

    fn ready(&self) -> Outcome {
        eventually("the keys are there", || Ok(self.gateway.ask("/readyz")?.0 == 200))
    }

    fn open(
        &self,
        token: &str,
    ) -> anyhow::Result<(vestibule_testkit::Peer, vestibule_testkit::Peer)> {
        let mut client = self.gateway.connect()?;
        client.send(Handshake::to("/ws").bearer(token).bytes())?;
        let (upstream, _) = self.upstream.switch("")?;
        client.expect_switch()?;
        Ok((client, upstream))
    }

    fn refused(&self, token: &str) -> anyhow::Result<crate::rig::No> {
        let mut client = self.gateway.connect()?;
        client.send(Handshake::to("/ws").bearer(token).bytes())?;
        no(&mut client)
    }
}

fn key(kid: &str) -> anyhow::Result<Key> {
    Key::generate(KeyKind::P256, kid)
}

#[test]
fn keys_come_from_an_address() -> Outcome {
    let provider = Provider::start()?;
    let rig = Fetching::by_url(&provider, key("a")?)?;
    provider.serve_keys(rig.issuer.jwks());
    rig.open(&rig.issuer.token("alice")?)?;
    assert_eq!(rig.refused(&rig.issuer.forged("alice")?)?, http(401, "invalid_token"));
    Ok(())
}

#[test]
fn keys_are_found_by_discovery() -> Outcome {
    let provider = Provider::start()?;
    let rig = Fetching::start(&provider.url(), key("a")?, "", "workers = 1")?;
    provider.serve_keys(rig.issuer.jwks());
    rig.open(&rig.issuer.token("alice")?)?;
    assert!(provider.asked("/.well-known/openid-configuration") >= 1);
    Ok(())
}

#[test]
fn a_discovery_that_names_another_issuer_is_not_believed() -> Outcome {
    let provider = Provider::start()?;
    let rig = Fetching::start(&provider.url(), key("a")?, "", "workers = 1")?;
    provider.serve_keys(rig.issuer.jwks());
    let document = json!({
        "issuer": "https://elsewhere.example",
        "jwks_uri": format!("{}/jwks", provider.url()),
    });
    provider.serve("/.well-known/openid-configuration", Served::Json(document));
    provider.serve("/.well-known/oauth-authorization-server", Served::Status(404));
    assert_eq!(rig.refused(&rig.issuer.token("alice")?)?, http(503, "temporarily_unavailable"));
    assert_eq!(provider.asked("/jwks"), 0);
    Ok(())
}

#[test]
fn a_key_that_was_rotated_in_is_found_without_a_restart() -> Outcome {
    let provider = Provider::start()?;
    let rig = Fetching::by_url(&provider, key("old")?)?;
    provider.serve_keys(rig.issuer.jwks());
    let (mut inside, mut upstream) = rig.open(&rig.issuer.token("alice")?)?;
    let fresh = Issuer::with_key(&rig.issuer.url, key("new")?)?;
    provider.serve_keys(json!({"keys": [rig.issuer.key.jwk(), fresh.key.jwk()]}));
    rig.open(&fresh.token("alice")?)?;
    rig.open(&rig.issuer.token("alice")?)?;
    converse(&mut inside, &mut upstream, "still here")
}

#[test]
fn a_rotation_under_load_loses_nobody() -> Outcome {
    let provider = Provider::start()?;
    let keys = format!("jwks_url = \"{}/jwks\"", provider.url());
    let rig = Fetching::start("https://id.example.com", key("old")?, &keys, "workers = 2")?;
    provider.serve_keys(rig.issuer.jwks());
    rig.ready()?;
    let fresh = Issuer::with_key(&rig.issuer.url, key("new")?)?;
    provider.serve_keys(json!({"keys": [rig.issuer.key.jwk(), fresh.key.jwk()]}));
    let before = provider.asked("/jwks");
    let address = rig.gateway.address();
    let tokens: Vec<String> = (0..40)
        .map(|number| match number % 2 {
            0 => rig.issuer.token(&format!("user-{number}")),
            _ => fresh.token(&format!("user-{number}")),
        })
        .collect::<anyhow::Result<_>>()?;
    let clients: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            thread::spawn(move || -> anyhow::Result<vestibule_testkit::Peer> {
                let mut client = vestibule_testkit::Peer::connect(address)?;
                client.send(Handshake::to("/ws").bearer(&token).bytes())?;
                client.expect_switch()?;
                Ok(client)
            })
        })
        .collect();
    let behind =
        clients.iter().map(|_| rig.upstream.switch("")).collect::<anyhow::Result<Vec<_>>>()?;
    for client in clients {
        client.join().unwrap()?;
    }
    drop(behind);
    let fetches = provider.asked("/jwks") - before;
    assert!(fetches <= 2, "{fetches} fetches");
    Ok(())
}

#[test]
fn unknown_keys_cost_one_fetch_whoever_asks() -> Outcome {
    let provider = Provider::start()?;
    let rig = Fetching::by_url(&provider, key("a")?)?;
    provider.serve_keys(rig.issuer.jwks());
    rig.ready()?;
    let before = provider.asked("/jwks");
    for number in 0..30 {
        let stranger = Issuer::with_key(&rig.issuer.url, key(&format!("unknown-{number}"))?)?;
        assert_eq!(rig.refused(&stranger.token("alice")?)?, http(401, "invalid_token"));
    }
    let fetches = provider.asked("/jwks") - before;
    assert!(fetches <= 1, "{fetches} fetches");
    Ok(())
}

#[test]
fn the_last_good_keys_count_when_the_provider_fails() -> Outcome {
    let provider = Provider::start()?;
    let rig = Fetching::by_url(&provider, key("a")?)?;
    provider.serve_keys(rig.issuer.jwks());
    rig.ready()?;
    for failure in [
        Served::Status(500),
        Served::Nothing,
        Served::Json(json!({"keys": []})),
        Served::Json(json!("nonsense")),
        Served::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".to_vec()),
    ] {
        let before = provider.asked("/jwks");
        provider.serve("/jwks", failure.clone());
        // Makes the gateway ask, where it has a turn.
        let stranger = Issuer::with_key(&rig.issuer.url, key("unknown")?)?;
        let said = rig.refused(&stranger.token("alice")?)?;
        assert!(said == http(401, "invalid_token") || said == http(503, "temporarily_unavailable"));
        if matches!(failure, Served::Status(500)) {
            assert_eq!(provider.asked("/jwks"), before + 1);
        }
        rig.open(&rig.issuer.token("alice")?)?;
    }
    Ok(())
}

#[test]
fn without_keys_nobody_new_gets_in_and_those_inside_stay() -> Outcome {
    let provider = Provider::start()?;
    provider.serve("/jwks", Served::Status(500));
    let other = Issuer::new("https://other.example")?;
    let mut setup = Setup::new()?.issuer("other", &other, "")?;
    let issuer = Issuer::new("https://id.example.com")?;
    let upstream = Upstream::start()?;
    let Issuer { url, audience, key: _ } = &issuer;
    setup = setup
        .table(&format!(
            "[[issuers]]\nname = \"idp\"\nissuer = {url:?}\naudiences = [{audience:?}]\n\
             jwks_url = \"{}/jwks\"\n",
            provider.url()
        ))
        .route(
            "/ws",
            &upstream.url(),
            &format!("accept = [\"header\", \"message\"]\norigins = [{PAGE:?}]\n"),
        );
    let gateway = setup.start(binary())?;
    let ask = |handshake: Handshake| -> anyhow::Result<vestibule_testkit::Peer> {
        let mut client = gateway.connect()?;
        client.send(handshake.bytes())?;
        Ok(client)
    };
    let (status, body) = gateway.ask("/readyz")?;
    assert_eq!(status, 503, "{body}");
    // One whose issuer has keys is inside, and asks for a refresh that cannot be judged.
    let mut inside = ask(Handshake::to("/ws").bearer(&other.token("alice")?))?;
    let (mut behind, _) = upstream.switch("")?;
    inside.expect_switch()?;
    let token = issuer.token("alice")?;
    let mut fresh = ask(Handshake::to("/ws").bearer(&token))?;
    assert_eq!(no(&mut fresh)?, http(503, "temporarily_unavailable"));
    let mut page = ask(Handshake::to("/ws").bearer(&token).origin(PAGE))?;
    assert_eq!(no(&mut page)?, close(1013, "temporarily_unavailable"));
    inside.refresh(&token)?;
    assert_eq!(inside.expect_auth("rejected")?["error"], "temporarily_unavailable");
    converse(&mut inside, &mut behind, "still here")?;
    assert_eq!(upstream.count(), 1);
    // Everything is well again when the provider is.
    provider.serve("/jwks", Served::Json(issuer.jwks()));
    eventually("the keys are there", || Ok(gateway.ask("/readyz")?.0 == 200))?;
    let mut fresh = ask(Handshake::to("/ws").bearer(&token))?;
    upstream.switch("")?;
    fresh.expect_switch()?;
    Ok(())
}

#[test]
fn a_key_file_is_read_again() -> Outcome {
    let echo = Echo::start()?;
    let first = Issuer::new("https://id.example.com")?;
    let setup = Setup::new()?.issuer("idp", &first, "")?;
    let setup = setup.route("/ws", &echo.url(), "accept = [\"header\"]");
    let gateway = setup.start(binary())?;
    let status = |token: &str| -> anyhow::Result<u16> {
        let mut client = gateway.connect()?;
        client.send(Handshake::to("/ws").bearer(token).bytes())?;
        Ok(client.head()?.status())
    };
    assert_eq!(status(&first.token("alice")?)?, 101);
    let second = Issuer::with_key(&first.url, key("second")?)?;
    let next = setup.file("next", second.jwks().to_string())?;
    fs::rename(&next, setup.folder().join("idp.jwks"))?;
    let token = second.token("alice")?;
    eventually("the new key counts", || Ok(status(&token)? == 101))?;
    assert_eq!(status(&first.token("alice")?)?, 401);
    // A file that is broken for a moment takes nothing away.
    setup.file("idp.jwks", "{\"keys\": [")?;
    assert_eq!(status(&first.token("alice")?)?, 401);
    assert_eq!(status(&token)?, 101);
    Ok(())
}

#[test]
fn an_address_in_a_token_is_never_asked() -> Outcome {
    let (provider, mallory) = (Provider::start()?, Provider::start()?);
    let rig = Fetching::by_url(&provider, key("a")?)?;
    provider.serve_keys(rig.issuer.jwks());
    rig.ready()?;
    let forger = key("a")?;
    mallory.serve_keys(json!({"keys": [forger.jwk()]}));
    let address = format!("{}/jwks", mallory.url());
    for name in ["jku", "x5u"] {
        let header = with(forger.header(), name, address.clone().into());
        let token = forger.token(&header, &rig.issuer.claims("alice"))?;
        assert_eq!(rig.refused(&token)?, http(401, "invalid_token"), "{name}");
    }
    let elsewhere = with(rig.issuer.claims("alice"), "iss", mallory.url().into());
    let token = forger.token(&forger.header(), &elsewhere)?;
    assert_eq!(rig.refused(&token)?, http(401, "invalid_token"));
    assert_eq!(mallory.asked("/jwks") + mallory.asked("/.well-known/openid-configuration"), 0);
    Ok(())
}

#[test]
fn a_provider_that_says_nothing_cannot_hold_a_client_for_ever() -> Outcome {
    let provider = Provider::start()?;
    let rig = Fetching::by_url(&provider, key("a")?)?;
    provider.serve("/jwks", Served::Silence);
    let said = rig.refused(&rig.issuer.token("alice")?)?;
    let fits = said == http(503, "temporarily_unavailable") || said == http(408, "auth_timeout");
    assert!(fits, "{said:?}");
    Ok(())
}

#[test]
fn a_symmetric_key_in_a_public_set_signs_nothing() -> Outcome {
    let provider = Provider::start()?;
    let secret = Key::generate(KeyKind::Secret, "s")?;
    let rig = Fetching::by_url(&provider, key("a")?)?;
    let k = vestibule_testkit::base64url(secret.secret().as_bytes());
    let oct = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": k});
    provider.serve_keys(json!({"keys": [rig.issuer.key.jwk(), oct]}));
    rig.ready()?;
    let token = secret.token(&secret.header(), &rig.issuer.claims("alice"))?;
    assert_eq!(rig.refused(&token)?, http(401, "invalid_token"));
    rig.open(&rig.issuer.token("alice")?)?;
    Ok(())
}

//! Login, refresh and logout, with a token and with a cookie.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_testkit::{Handshake, Peer, Setup};

use crate::{
    accounts::{PASSWORD, add, fine, operate},
    endpoint::{Ask, Said, refused},
    rig::{No, Outcome, PAGE, Rig, binary, close, closed, converse, http, no},
};

const ROUTE: &str = "accept = [\"header\", \"cookie\"]\n\
                     mechanisms = [\"bearer\", \"session\", \"ticket\"]\nissuers = [\"local\"]\n";
const EVIL: &str = "https://evil.example";
const COOKIE: &str = "__Host-vestibule";

fn rig() -> anyhow::Result<Rig> {
    let store = |setup: Setup| setup.table("[auth]").table("[store]\npath = \"kept.redb\"");
    let rig = Rig::with(ROUTE, store)?;
    add(&rig, "alice")?;
    Ok(rig)
}

fn try_login(rig: &Rig, name: &str, password: &str) -> anyhow::Result<Said> {
    Ask::post("/auth/login")
        .json(&json!({ "username": name, "password": password }))
        .of(&rig.gateway)
}

/// The access token, and the refresh token.
fn log_in(rig: &Rig) -> anyhow::Result<(String, String)> {
    both(&try_login(rig, "alice", PASSWORD)?.fine()?)
}

fn both(body: &Value) -> anyhow::Result<(String, String)> {
    let text = |name: &str| body[name].as_str().map(str::to_owned).context("a token is missing");
    Ok((text("access_token")?, text("refresh_token")?))
}

fn refresh(rig: &Rig, token: &str) -> anyhow::Result<Said> {
    Ask::post("/auth/refresh").json(&json!({ "refresh_token": token })).of(&rig.gateway)
}

fn open(rig: &Rig, token: &str) -> anyhow::Result<(Peer, Peer)> {
    rig.open(&Handshake::to("/ws").bearer(token))
}

/// The login cookie, as a browser sends it back.
fn log_in_by_cookie(rig: &Rig) -> anyhow::Result<String> {
    let body = json!({ "username": "alice", "password": PASSWORD, "cookie": true });
    let said = Ask::post("/auth/login").json(&body).field("Origin", PAGE).of(&rig.gateway)?;
    let set = said.head.one("set-cookie").context("no cookie")?.to_owned();
    let body = said.fine()?;
    ensure!(body.get("refresh_token").is_none() && body["access_token"].is_string(), "members");
    let mut parts = set.split("; ");
    let pair = parts.next().unwrap_or_default().to_owned();
    ensure!(pair.starts_with(&format!("{COOKIE}=vss_")), "another cookie");
    let mut attributes: Vec<_> = parts.map(|part| part.split('=').next().unwrap_or(part)).collect();
    attributes.sort_unstable();
    ensure!(attributes == ["HttpOnly", "Max-Age", "Path", "SameSite", "Secure"], "{attributes:?}");
    ensure!(set.contains("; Path=/;") && set.contains("; SameSite=Lax"), "attributes");
    Ok(pair)
}

#[test]
fn the_key_of_an_access_token_is_published_beside_that_of_assertions() -> Outcome {
    let rig = rig()?;
    let (access, _) = log_in(&rig)?;
    let keys = Ask::get("/.well-known/jwks.json").of(&rig.gateway)?.body;
    let jwks = rig.setup.file("published.jwks", keys.to_string())?.display().to_string();
    let args = ["token", "verify", "--jwks", &jwks, "--issuer", "vestibule", &access];
    let ran = std::process::Command::new(binary()).args(args).output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let published = keys["keys"].as_array().map_or(0, Vec::len);
    ensure!(published >= 2, "{keys}");
    ensure!(!keys.to_string().contains("\"d\""), "a private key");
    Ok(())
}

#[test]
fn a_wrong_password_an_unknown_user_and_a_disabled_one_are_told_the_same() -> Outcome {
    let rig = rig()?;
    add(&rig, "carol")?;
    fine(operate(&rig, &["user", "disable", "carol"], "")?)?;
    let mut answers = Vec::new();
    for (name, password) in
        [("alice", "not the password of alice"), ("nobody", PASSWORD), ("carol", PASSWORD)]
    {
        let said = try_login(&rig, name, password)?;
        answers.push((said.head.to_string(), said.body.to_string()));
        assert_eq!(said.no()?, refused(401, "invalid_credentials"), "{name}");
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    Ok(())
}

#[test]
fn guesses_at_one_account_are_limited_and_then_the_right_password_does_not_help() -> Outcome {
    let rig = rig()?;
    let mut guesses = 0;
    let said = loop {
        let said = try_login(&rig, "alice", "a guess at the password")?;
        if said.head.status() != 401 {
            break said;
        }
        guesses += 1;
        assert!(guesses < 20, "no limit");
    };
    assert!(guesses >= 5, "{guesses}");
    let wait: u64 = said.head.one("retry-after").context("no Retry-After")?.parse()?;
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(said.no()?, refused(429, "too_many_attempts"));
    assert_eq!(try_login(&rig, "alice", PASSWORD)?.no()?, refused(429, "too_many_attempts"));
    // Somebody else is not concerned.
    assert_eq!(try_login(&rig, "bob", PASSWORD)?.no()?, refused(401, "invalid_credentials"));
    Ok(())
}

#[test]
fn guesses_of_one_address_are_limited_whatever_the_account() -> Outcome {
    let rig = rig()?;
    for number in 0.. {
        let said = try_login(&rig, &format!("user-{number}"), PASSWORD)?;
        if said.head.status() == 429 {
            assert!(number >= 20 && said.head.one("retry-after").is_some(), "{number}");
            break;
        }
        assert!(number < 100, "no limit");
    }
    Ok(())
}

#[test]
fn a_refresh_token_is_good_once_and_its_reuse_ends_the_login_and_what_is_open() -> Outcome {
    let rig = rig()?;
    let (_, first) = log_in(&rig)?;
    let (access, second) = both(&refresh(&rig, &first)?.fine()?)?;
    let (mut client, mut upstream) = open(&rig, &access)?;
    converse(&mut client, &mut upstream, "hello")?;
    let (other, _) = log_in(&rig)?;
    let (mut stays, mut two) = open(&rig, &other)?;
    assert_eq!(refresh(&rig, &first)?.no()?, refused(400, "invalid_grant"));
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    assert_eq!(refresh(&rig, &second)?.no()?, refused(400, "invalid_grant"));
    let mut again = rig.send(&Handshake::to("/ws").bearer(&access))?;
    assert_eq!(no(&mut again)?, http(401, "token_revoked"));
    converse(&mut stays, &mut two, "another login of the same user")
}

#[test]
fn what_is_no_refresh_token_is_told_so_and_ends_nothing() -> Outcome {
    let rig = rig()?;
    let (access, good) = log_in(&rig)?;
    let mut forged = good.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    for bad in ["", "x", "vsr_", "vsr_AAAA", &access, &forged, &good[..good.len() - 4]] {
        assert_eq!(refresh(&rig, bad)?.no()?, refused(400, "invalid_grant"));
    }
    refresh(&rig, &good)?.fine()?;
    Ok(())
}

#[test]
fn the_refresh_token_of_a_disabled_user_gets_nothing() -> Outcome {
    let rig = rig()?;
    let (_, token) = log_in(&rig)?;
    fine(operate(&rig, &["user", "disable", "alice"], "")?)?;
    assert_eq!(refresh(&rig, &token)?.no()?, refused(400, "invalid_grant"));
    Ok(())
}

#[test]
fn the_login_cookie_opens_a_socket_for_an_allowed_page_alone_and_ends_with_the_logout() -> Outcome {
    let rig = rig()?;
    let cookie = log_in_by_cookie(&rig)?;
    let handshake = Handshake::to("/ws").field("Cookie", &format!("a=1; {cookie}"));
    for origin in [Some(EVIL), Some("null"), None] {
        let mut refused = handshake.clone();
        if let Some(origin) = origin {
            refused = refused.origin(origin);
        }
        assert!(matches!(no(&mut rig.send(&refused)?)?, No::Http(401 | 403, _)), "{origin:?}");
    }
    let page = handshake.origin(PAGE);
    let (mut client, mut upstream) = rig.open(&page)?;
    converse(&mut client, &mut upstream, "hello")?;
    // What a foreign page can make a browser send changes nothing.
    for target in ["/auth/logout", "/auth/refresh", "/auth/ticket"] {
        for origin in [Some(EVIL), Some("null"), None] {
            let mut ask = Ask::post(target).field("Cookie", &cookie);
            if let Some(origin) = origin {
                ask = ask.field("Origin", origin);
            }
            let (status, error) = ask.of(&rig.gateway)?.no()?;
            assert!(matches!(status, 400 | 403), "{target} {origin:?}: {status} {error}");
        }
    }
    converse(&mut client, &mut upstream, "still here")?;
    let asked = |target| Ask::post(target).field("Cookie", &cookie).field("Origin", PAGE);
    let access = asked("/auth/refresh").of(&rig.gateway)?.text("access_token")?;
    let (mut second, _two) = open(&rig, &access)?;
    let said = asked("/auth/logout").of(&rig.gateway)?;
    let taken_back = said.head.one("set-cookie").unwrap_or_default();
    assert!(taken_back.starts_with(&format!("{COOKIE}=; ")) && taken_back.contains("Max-Age=0"));
    assert_eq!(said.head.status(), 204);
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    assert_eq!(closed(&mut second)?, close(4410, "token_revoked"));
    assert_eq!(asked("/auth/refresh").of(&rig.gateway)?.no()?.0, 401);
    let mut again = rig.send(&page)?;
    assert!(matches!(no(&mut again)?, No::Http(401, _) | No::Close(4401 | 4410, _)));
    Ok(())
}

#[test]
fn a_foreign_page_can_sign_nobody_in() -> Outcome {
    let rig = rig()?;
    let body = json!({ "username": "alice", "password": PASSWORD, "cookie": true });
    for origin in [EVIL, "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        let said = Ask::post("/auth/login").json(&body).field("Origin", origin).of(&rig.gateway)?;
        assert_eq!(said.head.one("set-cookie"), None);
        assert_eq!(said.head.one("access-control-allow-origin"), None);
        assert_eq!(said.no()?, refused(403, "origin_not_allowed"), "{origin}");
    }
    // A form can be sent without asking first, and is not read.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let ask = Ask::post("/auth/login").text(kind, &body.to_string());
        assert_eq!(ask.of(&rig.gateway)?.no()?, refused(415, "invalid_request"), "{kind}");
    }
    let asked = Ask::get("/auth/login").method("OPTIONS").field("Origin", EVIL);
    let said = asked.field("Access-Control-Request-Method", "POST").of(&rig.gateway)?;
    assert_eq!(said.head.one("access-control-allow-origin"), None);
    Ok(())
}

#[test]
fn a_logout_by_access_token_and_by_refresh_token_closes_what_is_open() -> Outcome {
    let rig = rig()?;
    for by_refresh in [false, true] {
        let (access, token) = log_in(&rig)?;
        let (mut client, _upstream) = open(&rig, &access)?;
        let ask = Ask::post("/auth/logout");
        let ask = if by_refresh {
            ask.json(&json!({ "refresh_token": token }))
        } else {
            ask.bearer(&access)
        };
        assert_eq!(ask.of(&rig.gateway)?.head.status(), 204);
        assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
        assert_eq!(refresh(&rig, &token)?.no()?, refused(400, "invalid_grant"));
        let mut again = rig.send(&Handshake::to("/ws").bearer(&access))?;
        assert_eq!(no(&mut again)?, http(401, "token_revoked"));
    }
    Ok(())
}

#[test]
fn the_end_of_a_login_outlives_a_process_that_is_killed() -> Outcome {
    let mut rig = rig()?;
    let (ended, token) = log_in(&rig)?;
    let (stays, _) = log_in(&rig)?;
    Ask::post("/auth/logout").bearer(&ended).of(&rig.gateway)?.fine()?;
    rig.gateway.signal("-KILL")?;
    rig.gateway.wait()?;
    rig.gateway = rig.setup.start(binary())?;
    let mut again = rig.send(&Handshake::to("/ws").bearer(&ended))?;
    assert_eq!(no(&mut again)?, http(401, "token_revoked"));
    assert_eq!(refresh(&rig, &token)?.no()?, refused(400, "invalid_grant"));
    let (mut client, mut upstream) = open(&rig, &stays)?;
    converse(&mut client, &mut upstream, "the key that signs is the same")
}

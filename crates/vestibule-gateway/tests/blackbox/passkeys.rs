//! How passkeys are registered, seen and removed: by their users, and by the operator.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use vestibule_testkit::Authenticator;

use crate::{
    accounts::{PASSWORD, add, fine, key, log_in, operate},
    admin::ask,
    endpoint::{Ask, Said, refused, ticket},
    rig::{Outcome, PAGE, Rig, close, closed},
    webauthn::{access, device, enter, options, registered, rig as with_passkeys},
};

const ROUTE: &str = "accept = [\"message\", \"header\", \"cookie\"]\n\
                     mechanisms = [\"webauthn\", \"bearer\", \"session\", \"api-key\", \"ticket\"]\n";
const OPTIONS: &str = "/auth/webauthn/register/options";
const REGISTER: &str = "/auth/webauthn/register";
const LIST: &str = "/auth/webauthn/credentials";

fn rig() -> anyhow::Result<Rig> {
    with_passkeys(ROUTE)
}

fn register(rig: &Rig, token: &str, body: &Value) -> anyhow::Result<Said> {
    Ask::post(REGISTER).bearer(token).json(body).of(&rig.gateway)
}

fn list(rig: &Rig, token: &str) -> anyhow::Result<Vec<Value>> {
    let said = Ask::get(LIST).bearer(token).of(&rig.gateway)?.fine()?;
    Ok(said["credentials"].as_array().context("no list")?.clone())
}

fn remove(rig: &Rig, token: &str, id: &str) -> anyhow::Result<Said> {
    Ask::get(&format!("{LIST}/{id}")).method("DELETE").bearer(token).of(&rig.gateway)
}

/// Everything that can be asked about passkeys.
fn every() -> [Ask; 4] {
    [
        Ask::post(OPTIONS),
        Ask::post(REGISTER).json(&json!({ "credential": {} })),
        Ask::get(LIST),
        Ask::get(&format!("{LIST}/AAAA")).method("DELETE"),
    ]
}

fn id_of(shown: &Value) -> anyhow::Result<&str> {
    shown["id"].as_str().context("no id")
}

#[test]
fn a_user_registers_a_passkey_sees_it_and_removes_it() -> Outcome {
    let rig = rig()?;
    let (mut device, shown) = registered(&rig, "alice", b"one")?;
    let members: Vec<_> = shown.as_object().context("an object")?.keys().collect();
    assert_eq!(members, ["added", "backed_up", "backup_eligible", "id", "name", "used"]);
    assert_eq!(shown["name"], "Laptop");
    let (alice, bob) = (access(&rig, "alice")?, access(&rig, "bob")?);
    assert_eq!(list(&rig, &alice)?, std::slice::from_ref(&shown));
    assert!(list(&rig, &bob)?.is_empty());
    let mut client = enter(&rig, &mut device)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    assert!(list(&rig, &alice)?[0]["used"].is_i64());
    // It is nobody else's.
    assert_eq!(remove(&rig, &bob, id_of(&shown)?)?.no()?, refused(404, "not_found"));
    assert_eq!(remove(&rig, &alice, "no-such-passkey")?.no()?, refused(404, "not_found"));
    remove(&rig, &alice, id_of(&shown)?)?.fine()?;
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    let mut late = enter(&rig, &mut device)?;
    assert_eq!(late.expect_auth("rejected")?["error"], "invalid_credentials");
    assert!(list(&rig, &alice)?.is_empty());
    assert_eq!(remove(&rig, &alice, id_of(&shown)?)?.no()?, refused(404, "not_found"));
    // It can be registered again.
    registered(&rig, "alice", b"one")?;
    Ok(())
}

#[test]
fn only_users_who_have_signed_in_have_passkeys() -> Outcome {
    let rig = rig()?;
    let api_key = key(&rig, &["--user", "alice", "--label", "ci", "--scope", "chat"])?;
    let foreign = rig.token()?;
    let token = access(&rig, "alice")?;
    let no = refused(403, "mechanism_not_allowed");
    for asked in every() {
        let bought = ticket(&rig.gateway, &token)?;
        for credential in [&api_key, &foreign, &bought] {
            let said = asked.clone().bearer(credential).of(&rig.gateway)?;
            assert_eq!(said.no()?, no, "{asked:?}");
        }
        let said = asked.bearer("nonsense").of(&rig.gateway)?;
        assert_eq!(said.no()?, refused(401, "invalid_token"));
    }
    assert_eq!(Ask::post(OPTIONS).of(&rig.gateway)?.no()?, refused(401, "credential_required"));
    // Nor when they may not come in any more.
    fine(operate(&rig, &["user", "disable", "alice"], "")?)?;
    let late = Ask::post(OPTIONS).bearer(&token).of(&rig.gateway)?.no()?;
    assert_eq!(late, refused(401, "token_revoked"));
    Ok(())
}

#[test]
fn a_foreign_page_registers_nothing_with_the_cookie_of_its_visitor() -> Outcome {
    let rig = rig()?;
    let body = json!({ "username": "alice", "password": PASSWORD, "cookie": true });
    let said = Ask::post("/auth/login").json(&body).field("Origin", PAGE).of(&rig.gateway)?;
    let set = said.head.one("set-cookie").context("no cookie")?.to_owned();
    let cookie = set.split(';').next().context("no cookie")?;
    let no = refused(403, "origin_not_allowed");
    for origin in [None, Some("https://evil.example"), Some("null")] {
        for asked in every() {
            let mut asked = asked.field("Cookie", cookie);
            if let Some(origin) = origin {
                asked = asked.field("Origin", origin);
            }
            assert_eq!(asked.of(&rig.gateway)?.no()?, no, "{origin:?}");
        }
    }
    // Whatever credential it has.
    let token = access(&rig, "alice")?;
    let foreign = Ask::post(OPTIONS).bearer(&token).field("Origin", "https://evil.example");
    assert_eq!(foreign.of(&rig.gateway)?.no()?, no);
    let own = Ask::post(OPTIONS).field("Cookie", cookie).field("Origin", PAGE);
    let said = own.of(&rig.gateway)?;
    assert_eq!(said.head.one("access-control-allow-origin"), Some(PAGE));
    assert_eq!(said.fine()?["options"]["user"]["name"], "alice");
    let preflight = Ask::get(&format!("{LIST}/AAAA")).method("OPTIONS").field("Origin", PAGE);
    let preflight = preflight.of(&rig.gateway)?;
    assert_eq!(preflight.head.one("access-control-allow-methods"), Some("DELETE"));
    Ok(())
}

#[test]
fn a_route_for_every_page_lets_none_act_for_its_visitor() -> Outcome {
    let open = "[[routes]]\npath = \"/open\"\nupstream = \"ws://127.0.0.1:9\"\norigins = [\"*\"]\n\
                accept = [\"message\", \"query\"]\nmechanisms = [\"bearer\", \"ticket\"]\n";
    let rig = with_passkeys(&format!("origins = [{PAGE:?}]\n{ROUTE}{open}"))?;
    let body =
        |cookie: bool| json!({ "username": "alice", "password": PASSWORD, "cookie": cookie });
    let login = |cookie, page| Ask::post("/auth/login").json(&body(cookie)).field("Origin", page);
    let said = login(true, PAGE).of(&rig.gateway)?;
    let set = said.head.one("set-cookie").context("no cookie")?.to_owned();
    let cookie = set.split(';').next().context("no cookie")?;
    let evil = "https://evil.example";
    let no = refused(403, "origin_not_allowed");
    let others = [
        Ask::post("/auth/refresh"),
        Ask::post("/auth/logout"),
        Ask::post("/auth/ticket").json(&json!({ "path": "/open" })),
    ];
    for asked in every().into_iter().chain(others) {
        let said = asked.field("Cookie", cookie).field("Origin", evil).of(&rig.gateway)?;
        assert_eq!(said.no()?, no);
    }
    assert_eq!(login(true, evil).of(&rig.gateway)?.no()?, no);
    login(false, evil).of(&rig.gateway)?.fine()?;
    Ok(())
}

#[test]
fn a_registration_counts_once_and_for_whom_it_was_begun() -> Outcome {
    let rig = rig()?;
    let (alice, bob) = (access(&rig, "alice")?, access(&rig, "bob")?);
    let mut device = device(b"one")?;
    let body = json!({ "credential": device.create(&options(&rig, &alice)?)? });
    let no = refused(400, "invalid_request");
    assert_eq!(register(&rig, &bob, &body)?.no()?, no);
    assert_eq!(register(&rig, &alice, &body)?.no()?, no);
    let body = json!({ "credential": device.create(&options(&rig, &alice)?)? });
    assert_eq!(register(&rig, &alice, &body)?.head.status(), 201);
    assert_eq!(register(&rig, &alice, &body)?.no()?, no);
    // Nor can it be registered with somebody else, nor twice.
    for token in [&alice, &bob] {
        let body = json!({ "credential": device.create(&options(&rig, token)?)? });
        assert_eq!(register(&rig, token, &body)?.no()?, refused(409, "conflict"));
    }
    assert_eq!(list(&rig, &alice)?.len(), 1);
    Ok(())
}

#[test]
fn what_is_not_made_for_us_is_not_registered() -> Outcome {
    let rig = rig()?;
    let token = access(&rig, "alice")?;
    let no = refused(400, "invalid_request");
    let lies: [fn(&mut Authenticator); 4] = [
        |device| "https://evil.example".clone_into(&mut device.origin),
        |device| "evil.example".clone_into(&mut device.party),
        |device| device.flags = Authenticator::PRESENT,
        |device| device.flags = Authenticator::VERIFIED,
    ];
    for lie in lies {
        let mut device = device(b"one")?;
        lie(&mut device);
        let body = json!({ "credential": device.create(&options(&rig, &token)?)? });
        assert_eq!(register(&rig, &token, &body)?.no()?, no);
    }
    let credential = device(b"one")?.create(&options(&rig, &token)?)?;
    let mut cut = credential.clone();
    cut["response"]["attestationObject"] = "o2NmbXRk".into();
    for body in [
        json!({}),
        json!({ "credential": "text" }),
        json!({ "credential": null }),
        json!({ "credential": {} }),
        json!({ "credential": cut }),
        json!({ "credential": credential, "name": "" }),
        json!({ "credential": credential, "name": "x".repeat(101) }),
        json!({ "credential": credential, "name": 7 }),
        json!({ "credential": credential, "user": "bob" }),
    ] {
        assert_eq!(register(&rig, &token, &body)?.no()?, no, "{body}");
    }
    let long = json!({ "credential": { "pad": "x".repeat(17_000) } });
    assert_eq!(register(&rig, &token, &long)?.no()?, refused(413, "invalid_request"));
    assert!(list(&rig, &token)?.is_empty());
    Ok(())
}

#[test]
fn the_operator_lists_and_removes_passkeys() -> Outcome {
    let rig = rig()?;
    let (mut device, shown) = registered(&rig, "alice", b"one")?;
    registered(&rig, "bob", b"two")?;
    let listed = fine(operate(&rig, &["user", "passkey", "list"], "")?)?;
    for words in ["  alice  Laptop", "  bob    Laptop"] {
        assert!(listed.stdout.contains(words), "{listed:?}");
    }
    let (status, found) = ask(&rig, "GET /api/v1/passkeys", &Value::Null)?;
    assert_eq!((status, found["passkeys"].as_array().map(Vec::len)), (200, Some(2)));
    let mut client = enter(&rig, &mut device)?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    let id = id_of(&shown)?;
    fine(operate(&rig, &["user", "passkey", "remove", id], "")?)?;
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    assert_eq!(operate(&rig, &["user", "passkey", "remove", id], "")?.code, 2);
    assert_eq!(operate(&rig, &["user", "passkey", "remove", "-oops", "--json"], "")?.code, 2);
    // With the user go the passkeys, and another user of the name has none.
    fine(operate(&rig, &["user", "remove", "bob"], "")?)?;
    add(&rig, "bob")?;
    let (_, said) = log_in(&rig, "bob", PASSWORD)?;
    ensure!(list(&rig, said["access_token"].as_str().context("no token")?)?.is_empty());
    let listed = fine(operate(&rig, &["user", "passkey", "list", "--json"], "")?)?;
    let listed: Value = serde_json::from_str(&listed.stdout)?;
    assert_eq!(listed, json!({ "passkeys": [] }));
    Ok(())
}

#[test]
fn without_the_section_there_are_no_endpoints() -> Outcome {
    let rig = Rig::with("accept = [\"header\"]\n", |setup| setup.table("[auth]"))?;
    for asked in [Ask::post(OPTIONS), Ask::post(REGISTER), Ask::get(LIST)] {
        assert_eq!(asked.of(&rig.gateway)?.no()?, refused(404, "not_found"));
    }
    Ok(())
}

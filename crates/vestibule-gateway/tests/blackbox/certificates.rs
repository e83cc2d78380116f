//! Client certificates: whose they are, where they count, and until when.

use anyhow::{Context as _, ensure};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::json;
use vestibule_client::{Builder, Carrier, handshake::Tls};
use vestibule_testkit::{Handshake, Peer};

use crate::{
    admin::{ask, inside},
    authority::{Authority, Identity, Wanted, connect, connect_by, dns, uri},
    keyring::enters,
    rig::{No, OWN_HOST, Outcome, PAGE, Rig, close, closed, converse, http, no},
    tls::certificate,
};

/// A route on which a certificate is the only way in.
pub(crate) const ALONE: &str = "accept = [\"tls\"]\nmechanisms = [\"external\"]\n";
/// One on which it is one of several.
const BESIDE: &str = "accept = [\"tls\", \"header\", \"cookie\", \"message\"]\ncookie = \"session\"\n\
                      mechanisms = [\"external\", \"bearer\"]\n";
pub(crate) const DEVICES: &str = "[[certificates]]\nname = \"devices\"\nsubject_from = \"san-uri\"\n\
                       allowed = [\"spiffe://example.org/device/*\"]\nscopes = [\"chat\"]\n\
                       groups = [\"machines\"]\n";

/// A gateway that asks its clients for certificates of one authority.
pub(crate) struct House {
    pub(crate) rig: Rig,
    pub(crate) authority: Authority,
    pub(crate) trusted: String,
}

impl House {
    fn new(route: &str) -> anyhow::Result<Self> {
        Self::with(route, "", DEVICES, |_| Ok(None))
    }

    /// With these keys more in `tls`, these tables, and a list of what is withdrawn.
    pub(crate) fn with(
        route: &str,
        tls: &str,
        tables: &str,
        list: impl FnOnce(&Authority) -> anyhow::Result<Option<String>>,
    ) -> anyhow::Result<Self> {
        let authority = Authority::new("Devices of Example")?;
        let list = list(&authority)?;
        let pair = certificate()?;
        let rig = Rig::with(route, |setup| {
            let written = |name: &str, content: &str| {
                setup.file(name, content).unwrap().display().to_string()
            };
            let cert = written("cert.pem", &pair.cert);
            let key = written("key.pem", &pair.key);
            let ca = written("clients.pem", &authority.pem());
            let list = list.map_or_else(String::new, |list| {
                format!(", client_crl = {:?}", written("clients.crl", &list))
            });
            let line = format!(
                "workers = 1\ntls = {{ cert = {cert:?}, key = {key:?}, client_ca = {ca:?}{list}{tls} }}"
            );
            setup.server(&line).table(tables)
        })?;
        Ok(Self { rig, authority, trusted: pair.cert })
    }

    /// A client that has shown this certificate and sent this handshake.
    pub(crate) fn ask(
        &self,
        identity: Option<&Identity>,
        handshake: &Handshake,
    ) -> anyhow::Result<Peer> {
        let mut client = connect(self.rig.gateway.address(), &self.trusted, identity)?;
        client.send(handshake.bytes())?;
        Ok(client)
    }

    /// Whether TLS itself ends for who shows this. In TLS 1.3 a client hears of it when it reads.
    pub(crate) fn is_cut(&self, identity: Option<&Identity>) -> anyhow::Result<bool> {
        let asked = self.ask(identity, &page());
        Ok(match asked.and_then(|mut client| client.head()) {
            Ok(head) => {
                // Nobody waits for an upstream here: it was refused, or let in, by HTTP.
                drop(head);
                false
            }
            Err(error) => {
                let words = format!("{error:#}");
                ensure!(words.contains("alert") || words.contains("the end"), "{words}");
                true
            }
        })
    }
}

/// A handshake of an allowed page.
pub(crate) fn page() -> Handshake {
    Handshake::to("/ws").origin(PAGE)
}

fn external(client: &mut Peer) -> Outcome {
    let message = json!({"auth": { "type": "authenticate", "mechanism": "external" }});
    Ok(client.send_text(&message.to_string())?)
}

#[test]
fn a_certificate_alone_opens_the_door_and_nothing_of_it_goes_on() -> Outcome {
    let house = House::new(ALONE)?;
    let device = house.authority.device("7")?;
    let forged = [
        ("X-Vestibule-Subject", "spiffe://example.org/device/1"),
        ("Client-Cert", ":MIIB:"),
        ("X-SSL-Client-Cert", "kept"),
    ];
    let handshake = forged.iter().fold(page(), |it, (name, value)| it.field(name, value));
    let mut client = house.ask(Some(&device), &handshake)?;
    let (mut upstream, head) = house.rig.upstream.switch("")?;
    client.expect_switch()?;
    assert_eq!(head.one("x-vestibule-subject"), Some("spiffe://example.org/device/7"));
    assert_eq!(head.one("x-vestibule-issuer"), Some("devices"));
    assert_eq!(head.one("x-vestibule-scopes"), Some("chat"));
    assert_eq!(head.one("x-vestibule-mechanism"), Some("external"));
    assert!(head.one("client-cert").is_none());
    let body: String = device.cert.lines().nth(3).context("a short certificate")?.to_owned();
    assert!(!head.to_string().contains(&body), "{head}");
    converse(&mut client, &mut upstream, "hello")
}

#[test]
fn who_shows_none_is_asked_for_one_where_nothing_else_is_taken() -> Outcome {
    let house = House::new(ALONE)?;
    let mut nobody = house.ask(None, &Handshake::to("/ws"))?;
    assert_eq!(no(&mut nobody)?, http(401, "credential_required"));
    let token = house.rig.token()?;
    let mut bearer = house.ask(None, &page().bearer(&token))?;
    assert!(matches!(no(&mut bearer)?, No::Http(403, _) | No::Close(4403, _)));
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_certificate_of_another_authority_ends_tls() -> Outcome {
    let house = House::new(BESIDE)?;
    let other = Authority::new("Devices of Example")?;
    assert!(house.is_cut(Some(&other.device("7")?))?);
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_certificate_that_is_over_or_not_yet_or_for_something_else_ends_tls() -> Outcome {
    let house = House::new(BESIDE)?;
    let good = Wanted::named(vec![uri("spiffe://example.org/device/7")]);
    for wrong in [
        Wanted { dates: (-7200, -60), ..good.clone() },
        Wanted { dates: (60, 7200), ..good.clone() },
        Wanted { purposes: vec![ExtendedKeyUsagePurpose::ServerAuth], ..good.clone() },
    ] {
        assert!(house.is_cut(Some(&house.authority.issue(&wrong)?))?, "{:?}", wrong.dates);
    }
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_certificate_that_names_nobody_who_is_allowed_is_refused() -> Outcome {
    let house = House::new(ALONE)?;
    let one = || uri("spiffe://example.org/device/7");
    for names in [
        vec![uri("spiffe://example.org/admin/7")],
        vec![uri("spiffe://example.org/device/7/8")],
        vec![uri("spiffe://example.org/device/")],
        vec![uri("spiffe://evil.example/device/7")],
        vec![dns("device.example.org")],
        vec![],
        // Two names: nobody says which one is meant.
        vec![one(), uri("spiffe://example.org/device/8")],
        vec![one(), uri("https://elsewhere.example/")],
    ] {
        let identity = house.authority.issue(&Wanted::named(names.clone()))?;
        let mut client = house.ask(Some(&identity), &page())?;
        assert_eq!(no(&mut client)?, close(4401, "invalid_credentials"), "{names:?}");
    }
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_foreign_page_or_none_cannot_use_the_users_certificate() -> Outcome {
    let house = House::new(BESIDE)?;
    let device = house.authority.device("7")?;
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
        let mut client = house.ask(Some(&device), &Handshake::to("/ws").origin(origin))?;
        assert_eq!(no(&mut client)?, http(403, "origin_not_allowed"), "{origin}");
    }
    let mut nowhere = house.ask(Some(&device), &Handshake::to("/ws"))?;
    assert_eq!(no(&mut nowhere)?, http(403, "origin_not_allowed"));
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_certificate_counts_in_band_where_the_route_takes_messages() -> Outcome {
    let route = "accept = [\"message\"]\nmechanisms = [\"external\"]\nannounce = true\n";
    let house = House::new(route)?;
    let device = house.authority.device("7")?;
    let mut client = house.ask(Some(&device), &page())?;
    client.expect_switch()?;
    assert_eq!(client.expect_auth("required")?["mechanisms"], json!(["external"]));
    external(&mut client)?;
    let (mut upstream, _) = house.rig.upstream.switch("")?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!(accepted["subject"], "spiffe://example.org/device/7");
    assert_eq!(accepted["mechanism"], "external");
    converse(&mut client, &mut upstream, "hello")?;
    // What there is of it has been shown.
    external(&mut client)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "mechanism_not_allowed");
    converse(&mut client, &mut upstream, "still here")?;

    // Without a page it does not count, and without a certificate there is none.
    let mut nowhere = house.ask(Some(&device), &Handshake::to("/ws"))?;
    nowhere.expect_switch()?;
    nowhere.expect_auth("required")?;
    external(&mut nowhere)?;
    assert_eq!(closed(&mut nowhere)?, close(4403, "origin_not_allowed"));
    let mut bare = house.ask(None, &page())?;
    bare.expect_switch()?;
    assert_eq!(bare.expect_auth("required")?["mechanisms"], json!([]));
    external(&mut bare)?;
    assert_eq!(bare.expect_auth("rejected")?["error"], "credential_required");
    Ok(())
}

#[test]
fn an_explicit_credential_goes_before_the_certificate() -> Outcome {
    let house = House::new(BESIDE)?;
    let device = house.authority.device("7")?;
    let token = house.rig.token()?;
    let subject = |handshake: &Handshake| -> anyhow::Result<String> {
        let mut client = house.ask(Some(&device), handshake)?;
        let (_upstream, head) = house.rig.upstream.switch("")?;
        client.expect_switch()?;
        Ok(head.one("x-vestibule-subject").context("no subject")?.to_owned())
    };
    assert_eq!(subject(&page().bearer(&token))?, "alice");
    // Of two ambient ones the first of the route's list.
    let cookie = page().field("Cookie", &format!("session={token}"));
    assert_eq!(subject(&cookie)?, "spiffe://example.org/device/7");
    // One that is wrong is not mended by it.
    let mut wrong = house.ask(Some(&device), &page().bearer("nonsense"))?;
    assert_eq!(no(&mut wrong)?, close(4401, "invalid_token"));
    Ok(())
}

#[test]
fn a_certificate_that_does_not_count_leaves_room_for_a_message() -> Outcome {
    let house = House::new(BESIDE)?;
    let stranger = house.authority.issue(&Wanted::named(vec![uri("https://who.example/")]))?;
    let mut client = house.ask(Some(&stranger), &page())?;
    client.expect_switch()?;
    client.authenticate(&house.rig.token()?)?;
    let (_upstream, head) = house.rig.upstream.switch("")?;
    assert_eq!(client.expect_auth("accepted")?["subject"], "alice");
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    Ok(())
}

#[test]
fn a_lease_ends_with_the_certificate_and_has_no_grace() -> Outcome {
    let house = House::new(&format!("{ALONE}expiry_grace = \"1h\"\n"))?;
    let wanted = Wanted::named(vec![uri("spiffe://example.org/device/7")]);
    let short = house.authority.issue(&Wanted { dates: (-60, 4), ..wanted })?;
    let mut client = house.ask(Some(&short), &page())?;
    let (_upstream, _) = house.rig.upstream.switch("")?;
    client.expect_switch()?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    Ok(())
}

#[test]
fn a_certificate_is_revoked_by_its_fingerprint() -> Outcome {
    let house = House::new(ALONE)?;
    let (device, other) = (house.authority.device("7")?, house.authority.device("7")?);
    let open = |identity: &Identity| -> anyhow::Result<(Peer, Peer)> {
        let mut client = house.ask(Some(identity), &page())?;
        let (upstream, _) = house.rig.upstream.switch("")?;
        client.expect_switch()?;
        Ok((client, upstream))
    };
    let (mut client, _upstream) = open(&device)?;
    let (mut twin, mut behind) = open(&other)?;
    inside(&house.rig, 2)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &device.der);
    let fingerprint = data_encoding::HEXLOWER.encode(digest.as_ref());
    let body = json!({ "token": fingerprint, "issuer": "devices" });
    let (status, made) = ask(&house.rig, "POST /api/v1/revocations", &body)?;
    assert_eq!(status, 201, "{made}");
    assert_eq!(closed(&mut client)?, close(4410, "token_revoked"));
    converse(&mut twin, &mut behind, "another certificate of the same device")?;
    let mut again = house.ask(Some(&device), &page())?;
    assert_eq!(no(&mut again)?, close(4410, "token_revoked"));
    Ok(())
}

#[test]
fn where_a_certificate_is_required_tls_ends_without_one() -> Outcome {
    let house = House::with(BESIDE, ", client_auth = \"required\"", DEVICES, |_| Ok(None))?;
    assert!(house.is_cut(None)?);
    let mut client = house.ask(Some(&house.authority.device("7")?), &page())?;
    let (_upstream, _) = house.rig.upstream.switch("")?;
    client.expect_switch()?;
    Ok(())
}

#[test]
fn the_certificate_of_a_trusted_proxy_is_nobodys() -> Outcome {
    let authority = Authority::new("Proxies")?;
    let pair = certificate()?;
    let rig = Rig::with(BESIDE, |setup| {
        let written =
            |name: &str, content: &str| setup.file(name, content).unwrap().display().to_string();
        let (cert, key) = (written("cert.pem", &pair.cert), written("key.pem", &pair.key));
        let ca = written("clients.pem", &authority.pem());
        let line = format!(
            "workers = 1\ntrusted_proxies = [\"127.0.0.1\"]\n\
             tls = {{ cert = {cert:?}, key = {key:?}, client_ca = {ca:?} }}"
        );
        setup.server(&line).table(DEVICES)
    })?;
    let proxy = authority.device("7")?;
    let mut client = connect(rig.gateway.address(), &pair.cert, Some(&proxy))?;
    client.send(page().field("X-Forwarded-For", "192.0.2.7").bytes())?;
    client.expect_switch()?;
    external(&mut client)?;
    assert_eq!(client.expect_auth("rejected")?["error"], "credential_required");
    assert_eq!(rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn on_a_plain_listener_nobody_has_a_certificate() -> Outcome {
    // A configuration cannot say so; see `config/tests/certificates.rs`. What a client may say is
    // refused like any mechanism that the route does not take.
    let rig = Rig::new("accept = [\"message\"]")?;
    let mut client = rig.wait_at_the_door()?;
    external(&mut client)?;
    assert_eq!(closed(&mut client)?, close(4403, "mechanism_not_allowed"));
    let fields =
        [("Client-Cert", ":MIIB:"), ("X-Client-Cert", "x"), ("X-SSL-Client-Verify", "SUCCESS")];
    let handshake = fields.iter().fold(Handshake::to("/honest"), |it, (n, v)| it.field(n, v));
    let mut liar = rig.send(&handshake)?;
    assert_eq!(no(&mut liar)?, http(401, "credential_required"));
    Ok(())
}

#[test]
fn no_session_outlives_the_certificate() -> Outcome {
    let route = "accept = [\"tls\", \"message\"]\nmechanisms = [\"external\", \"session\"]\n\
                 sessions = \"issue\"\nannounce = true\n";
    let house = House::with(route, "", &format!("{DEVICES}[auth]\n"), |_| Ok(None))?;
    let mut client = house.ask(Some(&house.authority.device("7")?), &page())?;
    let (_upstream, _) = house.rig.upstream.switch("")?;
    client.expect_switch()?;
    let accepted = client.expect_auth("accepted")?;
    assert_eq!(accepted.get("session"), None, "{accepted}");
    Ok(())
}

#[test]
fn a_certificate_is_asked_for_by_every_version_of_tls_and_never_remembered() -> Outcome {
    let house = House::new(ALONE)?;
    let device = house.authority.device("7")?;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let address = house.rig.gateway.address();
        let (mut client, _) = connect_by(address, &house.trusted, Some(&device), &[version])?;
        client.send(page().bytes())?;
        let (_upstream, head) = house.rig.upstream.switch("")?;
        client.expect_switch()?;
        assert_eq!(head.one("x-vestibule-mechanism"), Some("external"));
    }
    Ok(())
}

#[test]
fn the_rust_client_shows_its_certificate_and_names_its_own_origin() -> Outcome {
    for carrier in [Carrier::Tls, Carrier::Message] {
        let name = if carrier == Carrier::Tls { "tls" } else { "message" };
        let route = format!("{OWN_HOST}accept = [{name:?}]\nmechanisms = [\"external\"]\n");
        let house = House::new(&route)?;
        let device = house.authority.device("7")?;
        let port = house.rig.gateway.address().port();
        let tls = Tls::only(house.trusted.as_bytes())?;
        let tls = tls.showing(device.cert.as_bytes(), device.key.as_bytes())?;
        let url = format!("wss://localhost:{port}/ws");
        let builder = Builder::new(&url, vestibule_client::auth::certificate())?;
        let head = enters(&house.rig, builder.tls(tls).carrier(carrier))?;
        assert_eq!(head.one("x-vestibule-subject"), Some("spiffe://example.org/device/7"));
        assert_eq!(head.one("origin"), Some(&*format!("https://localhost:{port}")));
    }
    Ok(())
}

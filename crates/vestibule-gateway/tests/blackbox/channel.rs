//! A password that does not travel, bound to the TLS connection that it is proven on (RFC 9266).

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::json;
use vestibule_client::{Builder, auth::scram_plus, handshake::Tls};
use vestibule_testkit::{Handshake, Output, Peer, run};
use vestibule_verify::scram::{AwaitingServerFinal, Client, ClientBinding, Nonce, TlsExporter};

use crate::{
    admin::ask,
    authority::connect_by,
    keyring::enters,
    rig::{OWN_HOST, Outcome, Rig, binary, close, closed, converse},
    scram::PASSWORD,
    tls::certificate,
};

const PLUS: &str = "scram-sha-256-plus";
const BOTH: &str = "accept = [\"message\"]\nannounce = true\n\
                    mechanisms = [\"scram-sha-256-plus\", \"scram-sha-256\"]\n";
const ALONE: &str = "accept = [\"message\"]\nmechanisms = [\"scram-sha-256-plus\"]\n";

/// A gateway that ends TLS, with Alice.
struct House {
    rig: Rig,
    trusted: String,
}

impl House {
    fn new(route: &str) -> anyhow::Result<Self> {
        Self::with(route, "")
    }

    fn with(route: &str, server: &str) -> anyhow::Result<Self> {
        let pair = certificate()?;
        let rig = Rig::with(route, |setup| {
            let cert = setup.file("cert.pem", &pair.cert).unwrap().display().to_string();
            let key = setup.file("key.pem", &pair.key).unwrap().display().to_string();
            let line = format!("workers = 1\ntls = {{ cert = {cert:?}, key = {key:?} }}\n{server}");
            setup.server(&line).table("[auth]")
        })?;
        let user = json!({ "name": "alice", "password": PASSWORD });
        let (status, body) = ask(&rig, "POST /api/v1/users", &user)?;
        ensure!(status == 201, "{status} {body}");
        Ok(Self { rig, trusted: pair.cert })
    }

    /// A client that has its 101, and what binds its connection.
    fn at_the_door(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> anyhow::Result<(Peer, TlsExporter)> {
        let address = self.rig.gateway.address();
        let (mut client, exporter) = connect_by(address, &self.trusted, None, &[version])?;
        client.send(Handshake::to("/ws").bytes())?;
        client.expect_switch()?;
        Ok((client, exporter.context("no exporter")?))
    }

    /// The same by TLS 1.3, behind what is announced.
    fn announced(&self) -> anyhow::Result<(Peer, TlsExporter)> {
        let (mut client, exporter) = self.at_the_door(&rustls::version::TLS13)?;
        let required = client.expect_auth("required")?;
        ensure!(required["mechanisms"] == json!([PLUS, "scram-sha-256"]), "{required}");
        Ok((client, exporter))
    }
}

fn begin(client: &mut Peer, mechanism: &str, message: &str) -> Outcome {
    let begin = json!({"auth": {
        "type": "authenticate", "mechanism": mechanism, "message": message
    }});
    Ok(client.send_text(&begin.to_string())?)
}

/// An exchange up to the response.
fn exchange(
    client: &mut Peer,
    mechanism: &str,
    binding: ClientBinding,
) -> anyhow::Result<AwaitingServerFinal> {
    let begun = Client::begin("alice", PASSWORD, binding, &Nonce::new([7; 18]));
    let (scram, message) = begun.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    begin(client, mechanism, &message)?;
    let challenge = client.expect_auth("challenge")?;
    let challenge = challenge["message"].as_str().context("no message")?.to_owned();
    let responded = scram.respond(challenge.as_bytes());
    let (awaiting, message) = responded.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    let respond = json!({"auth": { "type": "respond", "message": message }});
    client.send_text(&respond.to_string())?;
    Ok(awaiting)
}

#[test]
fn an_exchange_that_is_bound_to_its_connection_opens_the_door() -> Outcome {
    for route in [BOTH, ALONE] {
        let house = House::new(route)?;
        let (mut client, exporter) = match route {
            BOTH => house.announced()?,
            _ => house.at_the_door(&rustls::version::TLS13)?,
        };
        let awaiting = exchange(&mut client, PLUS, ClientBinding::TlsExporter(exporter))?;
        let (mut upstream, head) = house.rig.upstream.switch("")?;
        let accepted = client.expect_auth("accepted")?;
        assert_eq!((&accepted["subject"], &accepted["mechanism"]), (&json!("alice"), &json!(PLUS)));
        let message = accepted["message"].as_str().context("no proof")?;
        awaiting.finish(message.as_bytes()).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        assert_eq!(head.one("x-vestibule-mechanism"), Some(PLUS));
        converse(&mut client, &mut upstream, "hello")?;
    }
    Ok(())
}

#[test]
fn an_exchange_that_somebody_relays_by_another_tls_connection_lets_nobody_in() -> Outcome {
    let house = House::new(ALONE)?;
    // Alice has a TLS connection with whoever sits between; that one has its own with the gateway.
    let (mut relayed, _) = house.at_the_door(&rustls::version::TLS13)?;
    let (_between, exporter) = house.at_the_door(&rustls::version::TLS13)?;
    exchange(&mut relayed, PLUS, ClientBinding::TlsExporter(exporter))?;
    let rejected = relayed.expect_auth("rejected")?;
    assert_eq!(rejected["error"], "invalid_credentials", "{rejected}");
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_client_that_was_told_of_no_binding_hears_that_there_is_one() -> Outcome {
    let house = House::new(BOTH)?;
    for (mechanism, message) in [
        ("scram-sha-256", "y,,n=alice,r=abcdefgh"),
        ("scram-sha-256", "p=tls-exporter,,n=alice,r=abcdefgh"),
        (PLUS, "p=tls-unique,,n=alice,r=abcdefgh"),
        (PLUS, "p=tls-server-end-point,,n=alice,r=abcdefgh"),
        (PLUS, "n,,n=alice,r=abcdefgh"),
        (PLUS, "y,,n=alice,r=abcdefgh"),
    ] {
        let (mut client, _) = house.announced()?;
        begin(&mut client, mechanism, message)?;
        assert_eq!(client.expect_auth("rejected")?["error"], "mechanism_not_allowed", "{message}");
        assert_eq!(closed(&mut client)?, close(4403, "mechanism_not_allowed"), "{message}");
    }
    assert_eq!(house.rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_client_that_cannot_bind_comes_in_only_where_the_route_takes_that() -> Outcome {
    let both = House::new(BOTH)?;
    let (mut client, _) = both.announced()?;
    exchange(&mut client, "scram-sha-256", ClientBinding::Unsupported)?;
    let (_upstream, head) = both.rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    assert_eq!(head.one("x-vestibule-mechanism"), Some("scram-sha-256"));

    let alone = House::new(ALONE)?;
    let (mut client, _) = alone.at_the_door(&rustls::version::TLS13)?;
    begin(&mut client, "scram-sha-256", "n,,n=alice,r=abcdefgh")?;
    assert_eq!(closed(&mut client)?, close(4403, "mechanism_not_allowed"));
    Ok(())
}

#[test]
fn before_tls_1_3_and_behind_a_proxy_nothing_is_bound_and_nothing_announced() -> Outcome {
    let old = House::new(BOTH)?;
    let (mut client, _) = old.at_the_door(&rustls::version::TLS12)?;
    let required = client.expect_auth("required")?;
    assert_eq!(required["mechanisms"], json!(["scram-sha-256"]));
    begin(&mut client, PLUS, "p=tls-exporter,,n=alice,r=abcdefgh")?;
    assert_eq!(closed(&mut client)?, close(4403, "mechanism_not_allowed"));
    // Where it is not offered, it is no downgrade to say so.
    let (mut client, _) = old.at_the_door(&rustls::version::TLS12)?;
    client.expect_auth("required")?;
    exchange(&mut client, "scram-sha-256", ClientBinding::ServerDoesNot)?;
    let (_upstream, _) = old.rig.upstream.switch("")?;
    client.expect_auth("accepted")?;

    let proxied = House::with(BOTH, "trusted_proxies = [\"127.0.0.1\"]")?;
    let (mut client, exporter) = proxied.at_the_door(&rustls::version::TLS13)?;
    let required = client.expect_auth("required")?;
    assert_eq!(required["mechanisms"], json!(["scram-sha-256"]));
    let bound = ClientBinding::TlsExporter(exporter);
    let begun = Client::begin("alice", PASSWORD, bound, &Nonce::new([7; 18]));
    let (_, message) = begun.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    begin(&mut client, PLUS, &message)?;
    assert_eq!(closed(&mut client)?, close(4403, "mechanism_not_allowed"));
    Ok(())
}

#[test]
fn a_live_connection_is_renewed_by_an_exchange_that_is_bound_to_it() -> Outcome {
    let house = House::new(ALONE)?;
    let (mut client, exporter) = house.at_the_door(&rustls::version::TLS13)?;
    exchange(&mut client, PLUS, ClientBinding::TlsExporter(exporter))?;
    let (mut upstream, _) = house.rig.upstream.switch("")?;
    client.expect_auth("accepted")?;
    // By another connection's exporter it is not.
    let (_other, foreign) = house.at_the_door(&rustls::version::TLS13)?;
    exchange(&mut client, PLUS, ClientBinding::TlsExporter(foreign))?;
    assert_eq!(client.expect_auth("rejected")?["error"], "invalid_credentials");
    exchange(&mut client, PLUS, ClientBinding::TlsExporter(exporter))?;
    client.expect_auth("accepted")?;
    converse(&mut client, &mut upstream, "still here")
}

#[test]
fn the_rust_client_and_the_command_bind_what_they_prove_where_they_are_told_to() -> Outcome {
    let house = House::new(&format!("{OWN_HOST}{ALONE}"))?;
    let port = house.rig.gateway.address().port();
    let url = format!("wss://localhost:{port}/ws");
    let tls = Tls::only(house.trusted.as_bytes())?;
    let builder = Builder::new(&url, scram_plus("alice", PASSWORD))?.tls(tls);
    let head = enters(&house.rig, builder)?;
    assert_eq!(head.one("x-vestibule-mechanism"), Some(PLUS));

    let connect = |more: &[&str]| -> anyhow::Result<Output> {
        let mut command = Command::new(binary());
        command.args(["connect", &url, "--user", "alice", "--password-stdin", "--once", "hello"]);
        command.arg("--ca").arg(house.rig.setup.folder().join("cert.pem")).args(more);
        run(command, &format!("{PASSWORD}\n"))
    };
    let plain = connect(&[])?;
    assert_eq!(plain.code, 2, "{plain:?}");
    let bound = std::thread::scope(|scope| -> anyhow::Result<Output> {
        let running = scope.spawn(|| connect(&["--channel-binding"]));
        let (mut upstream, _) = house.rig.upstream.switch("")?;
        upstream.expect_text("hello")?;
        upstream.send_text("hello")?;
        upstream.expect_close(1000)?;
        running.join().map_err(|_| anyhow::anyhow!("the client panicked"))?
    })?;
    assert_eq!((bound.code, bound.stdout.trim()), (0, "hello"), "{bound:?}");
    assert!(bound.stderr.contains("accepted as alice by scram-sha-256-plus"), "{bound:?}");
    Ok(())
}

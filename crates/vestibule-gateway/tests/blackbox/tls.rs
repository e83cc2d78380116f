//! TLS on both sides: the gateway's own, and the one to the upstream.

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use vestibule_testkit::{Frame, Handshake, Opcode, Peer, Role, either_way};

use crate::rig::{OWN_HOST, Outcome, PAGE, Rig, close, closed, converse, http, no};

const ALL: &str = "accept = [\"header\", \"message\", \"cookie\"]\ncookie = \"session\"\n";

/// A certificate for this machine, and its key, both PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

pub(crate) fn certificate() -> anyhow::Result<Pair> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
    Ok(Pair { cert: cert.pem(), key: signing_key.serialize_pem() })
}

/// A gateway that speaks TLS, and its certificate.
pub(crate) fn secure(route: &str) -> anyhow::Result<(Rig, Pair)> {
    let pair = certificate()?;
    let rig = Rig::with(route, |setup| {
        let cert = setup.file("cert.pem", &pair.cert).unwrap();
        let key = setup.file("key.pem", &pair.key).unwrap();
        setup.server(&format!(
            "workers = 1\ntls = {{ cert = {:?}, key = {:?} }}",
            cert.display().to_string(),
            key.display().to_string()
        ))
    })?;
    Ok((rig, pair))
}

fn connect(address: SocketAddr, trusted: &str) -> anyhow::Result<Peer> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes())?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost")?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    let tcp = TcpStream::connect(address)?;
    let stream = StreamOwned::new(connection, tcp.try_clone()?);
    Peer::over(stream, tcp, Role::Client)
}

/// The server's end of a TLS connection.
pub(crate) fn serve(tcp: TcpStream, pair: &Pair) -> anyhow::Result<Peer> {
    let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    let connection = ServerConnection::new(Arc::new(config))?;
    let stream = StreamOwned::new(connection, tcp.try_clone()?);
    Peer::over(stream, tcp, Role::Server)
}

#[test]
fn everything_works_over_tls() -> Outcome {
    let (rig, pair) = secure(ALL)?;
    let address = rig.gateway.address();
    let mut by_header = connect(address, &pair.cert)?;
    by_header.send(rig.good()?.bytes())?;
    let (mut upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.one("x-forwarded-proto"), Some("https"));
    by_header.expect_switch()?;
    converse(&mut by_header, &mut upstream, "hello")?;
    let large = Frame::whole(Opcode::Binary, vec![0x42; 1 << 20]);
    by_header.send_frame(&large)?;
    assert!(upstream.frame()? == large);
    upstream.send_frame(&large)?;
    assert!(by_header.frame()? == large);

    let mut by_message = connect(address, &pair.cert)?;
    by_message.send(Handshake::to("/ws").bytes())?;
    by_message.expect_switch()?;
    by_message.authenticate(&rig.token()?)?;
    by_message.send_text("right behind")?;
    let (mut upstream, _) = rig.upstream.switch("")?;
    by_message.expect_auth("accepted")?;
    upstream.expect_text("right behind")?;
    by_message.send_text(r#"{"auth":{"type":"logout"}}"#)?;
    assert_eq!(closed(&mut by_message)?, close(4410, "logged_out"));
    Ok(())
}

#[test]
fn a_credential_in_each_message_works_over_tls() -> Outcome {
    let (rig, pair) = secure("accept = [\"per-message\"]\nauth_deadline = \"1m\"\n")?;
    let mut client = connect(rig.gateway.address(), &pair.cert)?;
    client.send(Handshake::to("/ws").bytes())?;
    client.expect_switch()?;
    let token = rig.token()?;
    let message = |data: &str| format!(r#"{{"auth":{{"token":"{token}"}},"data":{data}}}"#);
    let long = format!("\"{}\"", "x".repeat(60_000));
    for data in ["1", &long, "2"] {
        client.send_text(&message(data))?;
    }
    let (mut upstream, head) = rig.upstream.switch("")?;
    assert_eq!(head.one("x-forwarded-proto"), Some("https"));
    for data in ["1", &long, "2"] {
        upstream.expect_text(data)?;
    }
    client.send_text(&message("3").replace(&token, &rig.issuer.forged("alice")?))?;
    assert_eq!(client.expect_auth("rejected")?["error"], "invalid_token");
    upstream.send_text("back")?;
    client.expect_text("back")?;
    client.send_text("no envelope")?;
    assert_eq!(closed(&mut client)?, close(4400, "invalid_request"));
    Ok(())
}

#[test]
fn a_refusal_over_tls_is_read_to_its_end() -> Outcome {
    let (rig, pair) = secure(ALL)?;
    let mut client = connect(rig.gateway.address(), &pair.cert)?;
    client.send(Handshake::to("/ws").bearer("nonsense").bytes())?;
    assert_eq!(no(&mut client)?, http(401, "invalid_token"));
    let mut page = connect(rig.gateway.address(), &pair.cert)?;
    page.send(Handshake::to("/ws").bearer("nonsense").origin(PAGE).bytes())?;
    assert_eq!(no(&mut page)?, close(4401, "invalid_token"));
    assert_eq!(rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn over_tls_a_page_that_came_without_is_foreign() -> Outcome {
    let (rig, pair) = secure(&format!("{ALL}{OWN_HOST}"))?;
    let cookie = format!("session={}", rig.token()?);
    let ask = |origin: &str| -> anyhow::Result<Peer> {
        let mut client = connect(rig.gateway.address(), &pair.cert)?;
        client.send(Handshake::to("/ws").origin(origin).field("Cookie", &cookie).bytes())?;
        Ok(client)
    };
    let mut plain = ask("http://localhost")?;
    assert_eq!(no(&mut plain)?, http(403, "origin_not_allowed"));
    let mut secure = ask("https://localhost")?;
    rig.upstream.switch("")?;
    secure.expect_switch()?;
    Ok(())
}

#[test]
fn plain_bytes_on_a_tls_listener_end_there() -> Outcome {
    let (rig, _pair) = secure(ALL)?;
    let mut client = rig.gateway.connect()?;
    either_way(client.send(rig.good()?.bytes()));
    let rest = client.rest()?;
    assert!(!rest.starts_with(b"HTTP"), "{rest:02x?}");
    assert_eq!(rig.upstream.count(), 0);
    Ok(())
}

#[test]
fn a_tls_handshake_that_does_not_end_is_cut() -> Outcome {
    let (rig, _pair) = secure(ALL)?;
    let mut silent = rig.gateway.connect()?;
    let mut half = rig.gateway.connect()?;
    half.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])?;
    silent.rest()?;
    half.rest()?;
    Ok(())
}

#[test]
fn an_expiry_over_tls_is_read_as_a_close() -> Outcome {
    let (rig, pair) = secure("accept = [\"header\"]\nexpiry_grace = \"0s\"\n")?;
    let token = rig.issuer.token_for("alice", 3.0)?;
    let mut client = connect(rig.gateway.address(), &pair.cert)?;
    client.send(Handshake::to("/ws").bearer(&token).bytes())?;
    let (_upstream, _) = rig.upstream.switch("")?;
    client.expect_switch()?;
    assert_eq!(closed(&mut client)?, close(4401, "token_expired"));
    Ok(())
}

#[test]
fn an_upstream_can_be_reached_over_tls() -> Outcome {
    let pair = certificate()?;
    let rig = to_secure_upstream(&pair.cert)?;
    let mut client = rig.send(&Handshake::to("/secure/room").bearer(&rig.token()?))?;
    let mut upstream = serve(rig.upstream.accept_tcp()?, &pair)?;
    let head = upstream.head()?;
    assert_eq!(head.target(), "/room");
    let accept = vestibule_testkit::accept_of(head.one("sec-websocket-key").unwrap());
    upstream.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))?;
    client.expect_switch()?;
    converse(&mut client, &mut upstream, "hello")?;
    let large = Frame::whole(Opcode::Binary, vec![0x42; 1 << 20]);
    client.send_frame(&large)?;
    assert!(upstream.frame()? == large);
    upstream.send_frame(&large)?;
    assert!(client.frame()? == large);
    Ok(())
}

/// A gateway with a route `/secure`, whose upstream must show this certificate.
pub(crate) fn to_secure_upstream(trusted: &str) -> anyhow::Result<Rig> {
    let upstream = vestibule_testkit::Upstream::start()?;
    let url = format!("wss://localhost:{}", upstream.address().port());
    let mut rig = Rig::with(r#"accept = ["header"]"#, |setup| {
        let ca = setup.file("ca.pem", trusted).unwrap();
        let lines = format!("accept = [\"header\"]\nca = {:?}", ca.display().to_string());
        setup.route("/secure", &url, &lines)
    })?;
    rig.upstream = upstream;
    Ok(rig)
}

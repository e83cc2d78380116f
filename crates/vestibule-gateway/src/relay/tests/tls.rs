//! The same through TLS, on either side or both.

use std::sync::Arc;

use aws_lc_rs::aead;
use proptest::prelude::*;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{PrivatePkcs8KeyDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use vestibule_core::{
    limits,
    relay::{Extensions, Reserved},
    wire::frame::Sender,
};

use super::{
    super::{
        EndedBy, Order, Pair, Wire,
        wire::{Got, Readiness, Scratch, Side},
    },
    rig::{Notes, Probe, Rig, bare, code, connected, frames, masked, rest, run},
};

/// Both sides under TLS: the gateway is the client's server and the upstream's client.
struct Sealed {
    client: client::TlsStream<TcpStream>,
    upstream: server::TlsStream<TcpStream>,
    key: super::super::Key,
    notes: std::rc::Rc<Notes>,
}

fn configs() -> (TlsConnector, TlsAcceptor) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    server.enable_secret_extraction = true;
    (TlsConnector::from(Arc::new(client)), TlsAcceptor::from(Arc::new(server)))
}

async fn handshake() -> (client::TlsStream<TcpStream>, server::TlsStream<TcpStream>) {
    let (connector, acceptor) = configs();
    let (near, far) = connected().await;
    let name = ServerName::try_from("localhost").unwrap();
    let (near, far) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    (near.unwrap(), far.unwrap())
}

async fn sealed(rig: &Rig) -> Sealed {
    let (client, front) = handshake().await;
    let (back, upstream) = handshake().await;
    let (socket, connection) = front.into_inner();
    let front = Wire::Tls(socket.into_std().unwrap(), Box::new(connection.into()));
    let (socket, connection) = back.into_inner();
    let back = Wire::Tls(socket.into_std().unwrap(), Box::new(connection.into()));
    let pair = Pair {
        client: front,
        upstream: back,
        client_read: Vec::new(),
        upstream_read: Vec::new(),
        upstream_first: Vec::new(),
        reserved: Reserved::Yes,
        extensions: Extensions::None,
        idle: None,
    };
    let notes = std::rc::Rc::new(Notes::default());
    let key =
        rig.relay.open(rig.relay.seat(), pair, Probe(std::rc::Rc::clone(&notes)), rig.clock.now());
    Sealed { client, upstream, key, notes }
}

async fn pass(
    from: &mut (impl AsyncWriteExt + Unpin),
    to: &mut (impl AsyncReadExt + Unpin),
    bytes: &[u8],
) {
    let mut seen = vec![0; bytes.len()];
    let sending = async {
        from.write_all(bytes).await.unwrap();
        from.flush().await.unwrap();
    };
    let (read, ()) = tokio::join!(to.read_exact(&mut seen), sending);
    read.unwrap();
    assert!(seen == bytes, "not the bytes that were sent");
}

#[test]
fn frames_pass_both_ways_as_they_are() {
    run(async |rig| {
        let Sealed { mut client, mut upstream, notes, .. } = sealed(&rig).await;
        for length in [0, 1, 125, 16_384, 65_536, 2_000_000] {
            pass(&mut client, &mut upstream, &masked(0x82, &vec![1; length])).await;
            pass(&mut upstream, &mut client, &bare(0x82, &vec![2; length])).await;
        }
        client.shutdown().await.unwrap();
        let mut end = Vec::new();
        upstream.read_to_end(&mut end).await.unwrap_or_default();
        assert_eq!(notes.over().await.by, EndedBy::Client);
    });
}

/// Records with a ticket each (RFC 8446 section 4.6.1), as the server of a connection may send them
/// at any time.
fn tickets(connection: rustls::ServerConnection, count: u64) -> Vec<u8> {
    let (first, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
    let rustls::ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else {
        panic!("another cipher than the first of the provider's")
    };
    let key = aead::UnboundKey::new(&aead::AES_256_GCM, key.as_ref()).unwrap();
    let key = aead::LessSafeKey::new(key);
    let mut bytes = Vec::new();
    for number in first..first + count {
        let mut nonce: [u8; 12] = iv.as_ref().try_into().unwrap();
        for (byte, part) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        // Type and length; lifetime, age, nonce, ticket, no extension; the record's true type.
        let mut inner = vec![4, 0, 0, 15, 0, 0, 0, 9, 1, 2, 3, 4, 1, 5, 0, 1, 6, 0, 0, 22];
        let head = [23, 3, 3, 0, 36];
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, aead::Aad::from(head), &mut inner).unwrap();
        bytes.extend_from_slice(&head);
        bytes.append(&mut inner);
    }
    bytes
}

#[test]
fn an_upstream_that_floods_with_tickets_gets_a_read_at_a_time() {
    run(async |_| {
        let (near, far) = handshake().await;
        let (mut far, connection) = far.into_inner();
        far.write_all(&tickets(connection, 6000)).await.unwrap();
        let (socket, connection) = near.into_inner();
        let wire = Wire::Tls(socket.into_std().unwrap(), Box::new(connection.into()));
        let (mut side, mut scratch) = (Side::new(wire), Scratch::new());
        // The first read is a whole buffer: there is more, and others come before it.
        assert_eq!(side.read(&mut scratch), Got::Later);
        assert!(!scratch.is_held() && side.readiness == Readiness::Ready && !side.is_gone());
    });
}

#[test]
fn one_side_may_be_plain() {
    run(async |rig| {
        let (client, front) = handshake().await;
        let (socket, connection) = front.into_inner();
        let mut client = client;
        let mut both = rig
            .open_with(|pair, _| {
                let socket = socket.into_std().unwrap();
                pair.client = Wire::Tls(socket, Box::new(connection.into()));
            })
            .await;
        for length in [3, 300_000] {
            pass(&mut client, &mut both.upstream, &masked(0x82, &vec![1; length])).await;
            pass(&mut both.upstream, &mut client, &bare(0x82, &vec![2; length])).await;
        }
    });
}

#[test]
fn messages_are_told_and_closes_cut_in() {
    run(async |rig| {
        let Sealed { mut client, mut upstream, key, notes } = sealed(&rig).await;
        notes.orders.borrow_mut().push(Order::Tell("answer".into()));
        client.write_all(&masked(0x81, b"{\"auth\":1}")).await.unwrap();
        let mut bytes = vec![0; 8];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, bare(0x81, b"answer"));
        rig.close(key, 4401);
        let mut bytes = vec![0; 4];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(code(&frames(&bytes, Sender::Server)[0]), 4401);
        client.write_all(&masked(0x88, &4401_u16.to_be_bytes())).await.unwrap();
        // The end is a clean one of TLS, not a cut.
        assert_eq!(client.read(&mut bytes).await.unwrap(), 0);
        let mut away = vec![0; 8];
        upstream.read_exact(&mut away).await.unwrap();
        assert_eq!(code(&frames(&away, Sender::Client)[0]), 1001);
        drop((client, upstream));
        assert_eq!(notes.over().await.code, 4401);
    });
}

#[test]
fn a_close_behind_much_that_is_not_read_ends_in_time() {
    run(async |rig| {
        let Sealed { client, mut upstream, key, notes } = sealed(&rig).await;
        let piece = bare(0x82, &vec![7; 100_000]);
        let flooding = async {
            loop {
                if upstream.write_all(&piece).await.is_err() {
                    return;
                }
            }
        };
        let stuck = async {
            while rig.waiting(key).0 == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = flooding => {}
            () = stuck => {}
        }
        let began = std::time::Instant::now();
        rig.close(key, 4401);
        assert_eq!(notes.over().await.by, EndedBy::Gateway);
        assert!(began.elapsed() < (limits::CUT_WINDOW + limits::CLOSE_TIMEOUT) * 2);
        drop(client);
    });
}

#[test]
fn a_client_cannot_make_a_write_of_every_few_bytes() {
    run(async |rig| {
        let Sealed { mut client, upstream, .. } = sealed(&rig).await;
        let (mut upstream, _) = upstream.into_inner();
        // A message of the gateway's that does not end, with a ping behind every empty piece of it.
        let little = [masked(0x00, b""), masked(0x89, b"")].concat().repeat(20_000);
        let last = masked(0x88, &1000_u16.to_be_bytes());
        let attack = [masked(0x01, b"{\"auth\":"), little, last].concat();
        client.write_all(&attack).await.unwrap();
        client.flush().await.unwrap();
        // The connection ends by itself, since nobody answers the close.
        let bytes = rest(&mut upstream).await;
        let (mut records, mut at) = (0, 0);
        while let Some([high, low]) = bytes.get(at + 3..at + 5) {
            at += 5 + usize::from(u16::from_be_bytes([*high, *low]));
            records += 1;
        }
        assert!(bytes.len() > 100_000, "{} bytes", bytes.len());
        assert!(records < 1000, "{records} records");
    });
}

#[test]
fn noise_instead_of_tls_ends_the_connection() {
    run(async |rig| {
        let Sealed { client, mut upstream, notes, .. } = sealed(&rig).await;
        let (mut socket, _) = client.into_inner();
        socket.write_all(b"this is not a record of TLS").await.unwrap();
        assert_eq!(notes.over().await.by, EndedBy::Client);
        let mut end = Vec::new();
        upstream.read_to_end(&mut end).await.unwrap_or_default();
        assert_eq!(end, b"");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_lengths_in_any_pieces_arrive(
        lengths in prop::collection::vec(prop_oneof![0_usize..300, 0_usize..200_000], 1..8),
        cut in 100_usize..100_000,
    ) {
        let bytes: Vec<u8> = (0..).zip(&lengths).flat_map(|(byte, &length)| bare(0x82, &vec![byte; length])).collect();
        run(async |rig| {
            let Sealed { mut client, mut upstream, .. } = sealed(&rig).await;
            let sending = async {
                for piece in bytes.chunks(cut) {
                    upstream.write_all(piece).await.unwrap();
                    upstream.flush().await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let mut seen = vec![0; bytes.len()];
            let (read, ()) = tokio::join!(client.read_exact(&mut seen), sending);
            read.unwrap();
            assert!(seen == bytes);
        });
    }
}

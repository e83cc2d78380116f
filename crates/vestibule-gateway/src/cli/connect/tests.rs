//! The command against servers on the loopback, seen from both sides.

use std::{fs, io::Write as _};

use clap::{Args, FromArgMatches};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::CloseFrame,
    },
};

use super::*;

const TOKEN: &str = "eyJhbGciOiJub25lIn0.c2VjcmV0.c2lnbmF0dXJl";

/// What the command printed, and how it ended.
struct Seen {
    outcome: Outcome,
    out: String,
    notes: String,
}

fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
    let command = Arguments::augment_args(clap::Command::new("connect").no_binary_name(true));
    Arguments::from_arg_matches(&command.try_get_matches_from(line)?)
}

/// Runs the command with what was typed; the input stays open afterwards.
async fn command(line: &[&str], commands: Commands, typed: &[&str]) -> Seen {
    let (keyboard, lines) = mpsc::channel(LINES);
    for text in typed {
        keyboard.send((*text).to_owned()).await.unwrap();
    }
    let mut streams =
        Streams { lines, commands, out: Vec::new(), notes: Vec::new(), style: Style::Plain };
    let outcome = connect(parse(line).unwrap(), &mut streams, core::future::pending()).await;
    drop(keyboard);
    let seen = Seen {
        outcome,
        out: String::from_utf8(streams.out).unwrap(),
        notes: String::from_utf8(streams.notes).unwrap(),
    };
    assert!(!seen.out.contains(TOKEN) && !seen.notes.contains(TOKEN), "{}", seen.notes);
    seen
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/chat?room=1", listener.local_addr().unwrap());
    (listener, url)
}

type Socket = WebSocketStream<TcpStream>;

/// Takes one client in, chooses the first subprotocol that was offered, and tells the fields.
async fn welcome(listener: &TcpListener) -> (Socket, http::HeaderMap) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut fields = http::HeaderMap::new();
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let look = |request: &Request, mut response: Response| {
        fields = request.headers().clone();
        if let Some(offer) = fields.get("sec-websocket-protocol") {
            let first = offer.to_str().unwrap().split(", ").next().unwrap().parse().unwrap();
            response.headers_mut().insert("sec-websocket-protocol", first);
        }
        Ok(response)
    };
    let socket = accept_hdr_async(stream, look).await.unwrap();
    (socket, fields)
}

async fn hear(socket: &mut Socket) -> String {
    socket.next().await.unwrap().unwrap().into_text().unwrap().as_str().to_owned()
}

async fn close(socket: &mut Socket, code: u16, reason: &str) {
    let frame = CloseFrame { code: code.into(), reason: reason.into() };
    socket.close(Some(frame)).await.unwrap();
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
}

fn accepted(subject: &str) -> Message {
    let auth =
        json!({"type": "accepted", "subject": subject, "mechanism": "bearer", "expires_in": 9});
    Message::text(json!({"auth": auth}).to_string())
}

/// A whole HTTP answer, in two pieces with the body in the second.
async fn answer(listener: &TcpListener, head: &str, body: &str) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(body.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_token_travels_in_the_carrier_that_was_asked_for_and_is_never_printed() {
    let checks: [(&[&str], &str, String); 4] = [
        (&[], "authorization", format!("Bearer {TOKEN}")),
        (&["--carrier", "cookie", "--cookie-name", "s"], "cookie", format!("s={TOKEN}")),
        (&["--carrier", "subprotocol"], "sec-websocket-protocol", format!("bearer, {TOKEN}")),
        (
            &["--carrier", "subprotocol", "--subprotocol", "chat"],
            "sec-websocket-protocol",
            format!("chat, vestibule.bearer.{TOKEN}"),
        ),
    ];
    for (options, field, expected) in checks {
        let (listener, url) = listener().await;
        let line = [&[url.as_str(), "--token", TOKEN], options].concat();
        let server = async {
            let (mut socket, fields) = welcome(&listener).await;
            assert_eq!(fields.get(field).unwrap(), expected.as_str());
            close(&mut socket, 1000, "").await;
        };
        let (seen, ()) = tokio::join!(command(&line, Commands::Sent, &[]), server);
        assert_eq!(seen.outcome, Outcome::Fine, "{}", seen.notes);
    }
}

#[tokio::test]
async fn what_is_typed_waits_until_the_first_message_was_accepted() {
    let (listener, url) = listener().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{TOKEN}").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let line = [url.as_str(), "--token-file", &path, "--carrier", "message", "--once", "hello"];
    let server = async {
        let (mut socket, _) = welcome(&listener).await;
        let first: Value = serde_json::from_str(&hear(&mut socket).await).unwrap();
        let auth = json!({"type": "authenticate", "mechanism": "bearer", "token": TOKEN});
        assert_eq!(first, json!({ "auth": auth }));
        socket.send(accepted("alice")).await.unwrap();
        socket.send(Message::text("answer")).await.unwrap();
        // Behind the answer, and ahead of the close.
        socket.send(Message::text("more")).await.unwrap();
        assert_eq!(hear(&mut socket).await, "hello");
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
        assert!(socket.next().await.is_none());
    };
    let (seen, ()) = tokio::join!(command(&line, Commands::Sent, &[]), server);
    assert_eq!((seen.outcome, seen.out.as_str()), (Outcome::Fine, "answer\n"), "{}", seen.notes);
    assert!(seen.notes.contains("accepted as alice by bearer, for 9 s"), "{}", seen.notes);
}

#[tokio::test]
async fn a_token_says_by_its_beginning_what_it_is() {
    for (token, mechanism) in
        [("vst_a", "ticket"), ("vss_a", "session"), ("vsk_a", "api-key"), ("a.b.c", "bearer")]
    {
        let (listener, url) = listener().await;
        let line = [url.as_str(), "--token", token, "--carrier", "message"];
        let server = async {
            let (mut socket, _) = welcome(&listener).await;
            let first: Value = serde_json::from_str(&hear(&mut socket).await).unwrap();
            assert_eq!(first["auth"]["mechanism"], mechanism);
            close(&mut socket, 1000, "").await;
        };
        tokio::join!(command(&line, Commands::Sent, &[]), server);
    }
}

#[tokio::test]
async fn a_rejected_token_ends_a_script_and_lets_a_person_try_another() {
    let rejected = json!({"auth": {"type": "rejected", "error": "token_expired", "retry": true}});
    for commands in [Commands::Sent, Commands::Taken] {
        let (listener, url) = listener().await;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "second").unwrap();
        let refresh = format!("/refresh {}", file.path().display());
        let line = [url.as_str(), "--token", TOKEN, "--carrier", "message"];
        let typed = ["too early", refresh.as_str(), "hello"];
        let server = async {
            let (mut socket, _) = welcome(&listener).await;
            hear(&mut socket).await;
            socket.send(Message::text(rejected.to_string())).await.unwrap();
            if commands == Commands::Taken {
                assert!(hear(&mut socket).await.contains(r#""type":"authenticate""#));
                socket.send(accepted("alice")).await.unwrap();
                assert_eq!(hear(&mut socket).await, "hello");
                close(&mut socket, 1000, "").await;
            } else {
                while socket.next().await.is_some_and(|message| message.is_ok()) {}
            }
        };
        let (seen, ()) = tokio::join!(command(&line, commands, &typed), server);
        let expected = match commands {
            Commands::Taken => Outcome::Fine,
            Commands::Sent => Outcome::Refused,
        };
        assert_eq!(seen.outcome, expected, "{}", seen.notes);
        assert!(seen.notes.contains("rejected: token_expired"), "{}", seen.notes);
    }
}

#[tokio::test]
async fn commands_refresh_ping_and_log_out() {
    let (listener, url) = listener().await;
    let line = [url.as_str()];
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), TOKEN).unwrap();
    let refresh = format!("/refresh {}", file.path().display());
    let typed = ["/dance", "//slash", &refresh, "/ping", "/logout"];
    let server = async {
        let (mut socket, _) = welcome(&listener).await;
        assert_eq!(hear(&mut socket).await, "/slash");
        let text = hear(&mut socket).await;
        assert!(text.contains(r#""type":"refresh""#) && text.contains(TOKEN), "{text}");
        assert!(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
        assert_eq!(hear(&mut socket).await, r#"{"auth":{"type":"logout"}}"#);
        close(&mut socket, 4410, "logged_out").await;
    };
    let (seen, ()) = tokio::join!(command(&line, Commands::Taken, &typed), server);
    assert_eq!(seen.outcome, Outcome::Fine, "{}", seen.notes);
    for words in ["commands: /refresh", "pong after", "closed with 4410: revoked", "logged_out"] {
        assert!(seen.notes.contains(words), "{words}: {}", seen.notes);
    }
}

#[tokio::test]
async fn to_a_program_a_slash_is_a_message_and_the_end_of_input_a_close() {
    let (listener, url) = listener().await;
    let (keyboard, lines) = mpsc::channel(LINES);
    keyboard.send("/quit".to_owned()).await.unwrap();
    drop(keyboard);
    let (commands, style) = (Commands::Sent, Style::Plain);
    let mut streams = Streams { lines, commands, out: Vec::new(), notes: Vec::new(), style };
    let client = connect(parse(&[&url]).unwrap(), &mut streams, core::future::pending());
    let server = async {
        let (mut socket, _) = welcome(&listener).await;
        assert_eq!(hear(&mut socket).await, "/quit");
        let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("no close") };
        assert_eq!(u16::from(frame.code), 1000);
        assert!(socket.next().await.is_none());
    };
    let (outcome, ()) = tokio::join!(client, server);
    assert_eq!(outcome, Outcome::Fine);
}

#[tokio::test]
async fn the_end_is_told_in_words_and_by_the_exit_code() {
    let checks = [
        (1001, "draining", Outcome::Fine, "1001: the server or the page is going away"),
        (4401, "token_expired", Outcome::Refused, "get a new token, then connect again"),
        (4403, "insufficient_scope", Outcome::Refused, "scopes that the route wants"),
        (4429, "too_many_attempts; retry-after=7", Outcome::Refused, "come back after 7 s"),
        (1013, "temporarily_unavailable", Outcome::Failed, "try again later"),
        (1014, "upstream_unavailable", Outcome::Failed, "1014: the upstream cannot be reached"),
        (4999, "", Outcome::Failed, "a code of the application"),
    ];
    for (code, reason, outcome, words) in checks {
        let (listener, url) = listener().await;
        let line = [url.as_str()];
        let server = async {
            let (mut socket, _) = welcome(&listener).await;
            close(&mut socket, code, reason).await;
        };
        let (seen, ()) = tokio::join!(command(&line, Commands::Sent, &[]), server);
        assert_eq!(seen.outcome, outcome, "{code}");
        assert!(seen.notes.contains(words), "{code}: {}", seen.notes);
    }
}

#[tokio::test]
async fn a_connection_that_just_ends_is_a_failure() {
    let (listener, url) = listener().await;
    let line = [url.as_str()];
    let server = async { drop(welcome(&listener).await) };
    let (seen, ()) = tokio::join!(command(&line, Commands::Sent, &[]), server);
    assert_eq!(seen.outcome, Outcome::Failed);
    assert!(seen.notes.contains("1006"), "{}", seen.notes);
}

#[tokio::test]
async fn an_http_refusal_is_told_with_its_challenge_and_its_body() {
    let (listener, url) = listener().await;
    let head = "401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"token_expired\"";
    let body = r#"{"error":"token_expired","error_description":"the token is over"}"#;
    let line = [url.as_str(), "--token", TOKEN];
    let (seen, ()) =
        tokio::join!(command(&line, Commands::Sent, &[]), answer(&listener, head, body));
    assert_eq!((seen.outcome, seen.out.as_str()), (Outcome::Refused, ""));
    for words in [
        "refused by HTTP 401 Unauthorized",
        "www-authenticate: Bearer error=\"token_expired\"",
        "token_expired: the token is over",
        "get a new token",
    ] {
        assert!(seen.notes.contains(words), "{words}: {}", seen.notes);
    }
    let (listener, url) = self::listener().await;
    let line = [url.as_str()];
    let (seen, ()) = tokio::join!(
        command(&line, Commands::Sent, &[]),
        answer(&listener, "503 Service Unavailable\r\nRetry-After: 3", "no json")
    );
    assert_eq!(seen.outcome, Outcome::Failed);
    assert!(seen.notes.contains("no json") && seen.notes.contains("after 3 s"), "{}", seen.notes);
}

#[tokio::test]
async fn a_server_that_echoes_more_than_the_sockets_hold_does_not_stop_it() {
    let (listener, url) = listener().await;
    let (keyboard, lines) = mpsc::channel(LINES);
    let typing = async move {
        for _ in 0..200 {
            keyboard.send("x".repeat(64 * 1024)).await.unwrap();
        }
    };
    let (commands, style) = (Commands::Sent, Style::Plain);
    let mut streams = Streams { lines, commands, out: Vec::new(), notes: Vec::new(), style };
    let client = connect(parse(&[&url]).unwrap(), &mut streams, core::future::pending());
    let server = async {
        let (mut socket, _) = welcome(&listener).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && socket.send(message).await.is_err() {
                break;
            }
        }
    };
    let (outcome, (), ()) = tokio::join!(client, server, typing);
    assert_eq!(outcome, Outcome::Fine);
    assert_eq!(streams.out.len(), 200 * (64 * 1024 + 1));
}

#[tokio::test]
async fn tls_is_spoken_with_the_authority_that_was_given_and_no_other() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let ca = tempfile::NamedTempFile::new().unwrap();
    fs::write(ca.path(), made.cert.pem()).unwrap();
    let (listener, url) = listener().await;
    let url = url.replace("ws:", "wss:");
    let trusting = [url.as_str(), "--ca", ca.path().to_str().unwrap()];
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.close(None).await.unwrap();
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
    };
    let (seen, ()) = tokio::join!(command(&trusting, Commands::Sent, &[]), server);
    assert_eq!(seen.outcome, Outcome::Fine, "{}", seen.notes);
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        assert!(acceptor.accept(stream).await.is_err());
    };
    let (seen, ()) = tokio::join!(command(&trusting[..1], Commands::Sent, &[]), server);
    assert_eq!(seen.outcome, Outcome::Failed);
    assert!(seen.notes.contains("--ca FILE"), "{}", seen.notes);
}

#[tokio::test]
async fn an_interrupt_closes_normally() {
    let (listener, url) = listener().await;
    let (keyboard, lines) = mpsc::channel(LINES);
    let (press, pressed) = tokio::sync::oneshot::channel::<()>();
    let (commands, style) = (Commands::Taken, Style::Terminal);
    let mut streams = Streams { lines, commands, out: Vec::new(), notes: Vec::new(), style };
    let interrupt = async { pressed.await.unwrap() };
    let client = connect(parse(&[&url]).unwrap(), &mut streams, interrupt);
    let server = async {
        let (mut socket, _) = welcome(&listener).await;
        press.send(()).unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
        assert!(socket.next().await.is_none());
    };
    let (outcome, ()) = tokio::join!(client, server);
    assert_eq!(outcome, Outcome::Fine);
    drop(keyboard);
}

#[tokio::test]
async fn what_makes_no_sense_is_told_without_secrets() {
    for line in [
        &["127.0.0.1:1"][..],
        &["ftp://127.0.0.1/"],
        &["ws://127.0.0.1/#here"],
        &["ws://alice:eyJhbGciOiJub25lIn0.c2VjcmV0.c2lnbmF0dXJl@127.0.0.1/"],
        &["ws://127.0.0.1/", "--header", "eyJhbGciOiJub25lIn0.c2VjcmV0.c2lnbmF0dXJl"],
    ] {
        let seen = command(line, Commands::Sent, &[]).await;
        assert_eq!(seen.outcome, Outcome::Usage, "{line:?}: {}", seen.notes);
        assert_eq!(seen.notes.lines().count(), 1, "{}", seen.notes);
    }
    let unusable: [&[&str]; 3] = [
        &["ws://127.0.0.1/", "--token", "two words"],
        &["ws://127.0.0.1/", "--token", ""],
        &["ws://127.0.0.1/", "--token-stdin"],
    ];
    for line in unusable {
        let seen = command(line, Commands::Sent, &[""]).await;
        assert_eq!(seen.outcome, Outcome::Failed, "{line:?}");
    }
    assert!(parse(&["ws://a/", "--token", "a", "--token-stdin"]).is_err());
    assert!(parse(&["ws://a/", "--carrier", "cookie"]).is_err());
}

#[test]
fn arguments_do_not_print_what_may_be_secret() {
    let line = ["ws://a/?access_token=s3cret", "--token", "s3cret", "--header", "X: s3cret"];
    let arguments = parse(&line).unwrap();
    assert!(!format!("{arguments:?}").contains("s3cret"));
    let plan = arguments.plan().unwrap();
    assert!(!format!("{plan:?}").contains("s3cret"), "{plan:?}");
}

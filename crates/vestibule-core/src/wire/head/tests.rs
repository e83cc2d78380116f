//! Heads that have one reading, and the attacks that need two.

use proptest::prelude::*;

use super::*;

/// The head of a request with these lines, of which none has its line end.
pub(crate) fn request(lines: &[&str]) -> RequestHead {
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    RequestHead::read(text.as_bytes()).unwrap().unwrap().0
}

/// The head of a response, likewise.
pub(crate) fn response(lines: &[&str]) -> ResponseHead {
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    ResponseHead::read(text.as_bytes()).unwrap().unwrap().0
}

/// Lines in which one is changed: `Name: value` stands in place of the field of that name, a start
/// line in place of the first; `Name-` takes a field out; a line end makes it two lines.
pub(crate) fn changed<'a>(lines: &[&'a str], change: &'a str) -> Vec<&'a str> {
    let is_start = change.contains(" HTTP/") || change.starts_with("HTTP/");
    let field =
        change.split_once(':').map_or_else(|| change.trim_end_matches('-'), |(name, _)| name);
    let mut lines = lines.to_vec();
    let at = if is_start {
        Some(0)
    } else {
        lines.iter().position(|line| line.split(':').next() == Some(field))
    };
    let new: Vec<&str> = change.split('\n').filter(|line| !line.ends_with('-')).collect();
    let at = at.map_or(lines.len()..lines.len(), |at| at..at + 1);
    lines.splice(at, new);
    lines
}

/// A head in words: what it is, how much of the input it had.
fn show(read: Result<Option<(RequestHead, usize)>, Rejection>) -> String {
    match read {
        Ok(None) => "more".to_owned(),
        Ok(Some((head, used))) => {
            let fields: Vec<String> = head
                .fields()
                .iter()
                .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
                .collect();
            format!("{} {} {used} {}", head.method(), head.target(), fields.join("|"))
        }
        Err(rejection) => rejection.label().to_owned(),
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(show(RequestHead::read(text.as_bytes())), expected, "{text:?}");
}

#[test]
fn a_head_is_its_line_and_its_fields() {
    check(
        "GET /a?b=c HTTP/1.1\r\nHost: x.example\r\nA:  1 \r\na: 2\r\n\r\nrest",
        "GET /a?b=c 54 Host=x.example|A=1|a=2",
    );
    let head =
        request(&["GET /chat?x=%20 HTTP/1.1", "Host: X.example:80", "Cookie: a", "COOKIE: b"]);
    assert_eq!(head.path(), Ok("/chat"));
    assert_eq!(head.query(), Some("x=%20"));
    assert_eq!(head.host().to_string(), "x.example:80");
    assert_eq!(head.all("cookie").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(head.one("cookie"), Err(Rejection::MalformedHandshake));
    assert_eq!(head.one("origin"), Ok(None));
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let line = "GET / HTTP/1.1\r\nHost: a\r\n";
    for bad in [
        // line ends
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        // the request line
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        // the target
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /é HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n",
        // the host
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    ] {
        check(bad, "malformed_handshake");
    }
    for bad in [
        "X : b",
        " X: b",
        "\tX: b",
        "X: b\r\n folded",
        "X: b\r\n\tfolded",
        "X",
        ": b",
        "X: a\0b",
        "X: a\u{1}b",
        "X: a\u{7f}b",
        "X\0: b",
        "X[]: b",
        "Xé: b",
        "X: a\n",
        "X: a\rY: b",
    ] {
        check(&format!("{line}{bad}\r\n\r\n"), "malformed_handshake");
    }
    check("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "malformed_handshake");
}

#[test]
fn a_head_is_bounded() {
    let line = "GET / HTTP/1.1\r\nHost: a\r\n";
    let fields = |count: usize| format!("{line}{}\r\n", "X: b\r\n".repeat(count));
    assert!(RequestHead::read(fields(limits::HEAD_FIELDS - 1).as_bytes()).is_ok());
    check(&fields(limits::HEAD_FIELDS), "head_too_large");
    let sized = |length: usize| {
        let filler = length - line.len() - "X: \r\n\r\n".len();
        format!("{line}X: {}\r\n\r\n", "b".repeat(filler))
    };
    let (_, used) = RequestHead::read(sized(limits::HEAD_BYTES).as_bytes()).unwrap().unwrap();
    assert_eq!(used, limits::HEAD_BYTES);
    check(&sized(limits::HEAD_BYTES + 1), "head_too_large");
    let endless = "A".repeat(limits::HEAD_BYTES);
    check(&endless, "head_too_large");
    check(endless.get(1..).unwrap(), "more");
    let target =
        |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - 1));
    assert!(RequestHead::read(target(limits::TARGET_BYTES).as_bytes()).is_ok());
    check(&target(limits::TARGET_BYTES + 1), "head_too_large");
}

#[test]
fn a_path_has_one_reading() {
    let path = |path: &str| {
        let line = format!("GET {path} HTTP/1.1");
        request(&[&line, "Host: a"]).path().map(str::to_owned)
    };
    for good in [
        "/",
        "/chat",
        "/chat/",
        "/a.b/..c/d../...",
        "/user%40example.com",
        "/%20%25",
        "/z%C3%AB",
        "/a|b[1]^",
        "/@x,y=1+2!$&'()*:~",
        "/a?/../b//;\\",
    ] {
        assert!(path(good).is_ok(), "{good}");
    }
    for bad in [
        "/.",
        "/..",
        "/./",
        "/../a",
        "/a/./b",
        "/a/..",
        "/a/../b",
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/%2e%2e/a",
        "/%2E",
        "/.%2e",
        "/%2f",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/..\\b",
        "/chat/..%3B/admin",
        "/a%3bb",
        "/%61dmin",
        "/%7Ea",
        "/%00",
        "/%0d%0a",
        "/%1f",
        "/%7f",
        "/%",
        "/%4",
        "/%zz",
        "/%4g",
        "/a;b",
        "/..;/a",
        "/..;x=y/a",
        "/%c0%af",
        "/%c0%ae",
        "/%ff",
        "/{a}",
        "/<a>",
        "/\"",
        "/`",
    ] {
        assert_eq!(path(bad), Err(Rejection::PathNotCanonical), "{bad}");
    }
}

#[test]
fn nothing_that_may_be_secret_is_printed() {
    let head = request(&[
        "GET /chat?access_token=s3cret HTTP/1.1",
        "Host: a",
        "Authorization: Bearer s3cret",
        "Cookie: session=s3cret",
        "Sec-WebSocket-Protocol: bearer, s3cret",
    ]);
    let shown = format!("{head:?} {head:#?}");
    assert!(shown.contains("/chat") && shown.contains("Cookie"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn interim_responses_are_passed_over() {
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
                 HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00";
    let (head, used) = ResponseHead::read(text).unwrap().unwrap();
    assert_eq!((head.status(), used), (101, text.len() - 2));
    for cut in 0..text.len() - 2 {
        assert!(ResponseHead::read(&text[..cut]).unwrap().is_none(), "{cut}");
    }
    let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    assert_eq!(ResponseHead::read(&endless).unwrap_err(), Rejection::UpstreamInvalid);
}

#[test]
fn an_answer_that_is_not_http_is_the_upstreams_fault() {
    for bad in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 101 x\nA: b\n\n",
        "HTTP/1.1 101 x\r\nA : b\r\n\r\n",
        "HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 999 x\r\n\r\n",
        "HTTP/1.1 099 x\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        assert_eq!(
            ResponseHead::read(bad.as_bytes()).unwrap_err(),
            Rejection::UpstreamInvalid,
            "{bad}"
        );
    }
    let long = format!("HTTP/1.1 200 {}", "x".repeat(limits::HEAD_BYTES));
    assert_eq!(ResponseHead::read(long.as_bytes()).unwrap_err(), Rejection::UpstreamInvalid);
}

/// What a reader says that gets the bytes one after the other: the first answer that is not "more".
fn in_pieces(bytes: &[u8], step: usize) -> String {
    let mut end = 0;
    loop {
        end = (end + step).min(bytes.len());
        let said = show(RequestHead::read(&bytes[..end]));
        if said != "more" || end == bytes.len() {
            return said;
        }
    }
}

/// Almost a head.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec()),
        Just(b"GET ".to_vec()),
        Just(b"/a%2e?b HTTP/1.1\r\n".to_vec()),
        Just(b"Host: a\r\n".to_vec()),
        Just(b"Cookie: a=b; c=\"d\"\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"X: y\r\n".to_vec().repeat(30)),
        Just(vec![b'a'; 5000]),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn however_a_head_is_cut_it_is_the_same(bytes in noise(), step in 1_usize..400) {
        prop_assert_eq!(in_pieces(&bytes, step), show(RequestHead::read(&bytes)));
    }

    #[test]
    fn a_prefix_of_a_head_is_not_a_head(
        names in prop::collection::vec("[a-zA-Z0-9-]{1,8}", 0..5), value in "[ -~]{0,20}"
    ) {
        prop_assume!(names.iter().all(|name| !name.eq_ignore_ascii_case("host")));
        let fields: Vec<String> = names.iter().map(|name| format!("{name}: {value}\r\n")).collect();
        let fields = fields.concat();
        let text = format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        for cut in 0..text.len() {
            prop_assert_eq!(show(RequestHead::read(&text.as_bytes()[..cut])), "more");
        }
        let whole = show(RequestHead::read(text.as_bytes()));
        prop_assert!(whole.starts_with("GET /a "), "{}", whole);
    }

    #[test]
    fn a_path_that_is_taken_decodes_to_itself_in_every_reading(path in "/[a.%/2eEfF;5cC\\\\]{0,12}") {
        let line = format!("GET {path} HTTP/1.1");
        let head = request(&[&line, "Host: a"]);
        if let Ok(path) = head.path() {
            let mut decoded = path.to_owned();
            for (from, to) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("\\", "/")] {
                decoded = decoded.to_ascii_lowercase().replace(from, to);
            }
            for segment in decoded.split('/').map(|segment| segment.split(';').next()) {
                prop_assert!(!matches!(segment, Some("." | "..")), "{}", path);
            }
            prop_assert!(!decoded.contains("//"), "{}", path);
        }
    }

    #[test]
    fn noise_is_no_answer(bytes in noise()) {
        prop_assert!(!matches!(ResponseHead::read(&bytes), Ok(Some(_))));
    }
}

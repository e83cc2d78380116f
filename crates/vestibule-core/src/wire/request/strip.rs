//! Which of a client's fields never reach the upstream.
//!
//! CGI and everything that descends from it (PHP, WSGI, Rack) makes `HTTP_X_FORWARDED_USER` of both
//! `X-Forwarded-User` and `X_Forwarded-User`: names are compared as such an upstream reads them,
//! with every character that is neither a letter nor a digit alike.

/// Names, or, with a `*`, beginnings of names.
const STRIPPED: [&str; 34] = [
    // About this connection (RFC 9110 section 7.6.1), or about a body, which a handshake has not.
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // For a proxy; `Proxy` alone becomes the `HTTP_PROXY` of a CGI program.
    "proxy",
    "proxy-*",
    // The handshake is the gateway's own.
    "sec-websocket-*",
    // Who is there: every preset, and what others call it.
    "x-vestibule*",
    "x-auth-request-*",
    "remote-*",
    "x-remote-*",
    "x-webauth-*",
    "x-authenticated-*",
    // From where, by which name, over what: `X-Forwarded-For`, `-Host` and `-Proto` are set anew from
    // what a trusted proxy said; the others, `-User`, `-Email`, `-Groups`, `-Preferred-Username` and
    // `-Access-Token` among them, only a preset sets.
    "forwarded",
    "x-forwarded",
    "x-forwarded-*",
    // The client's address by other names. Not set: `X-Forwarded-For` says it.
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "true-client-ip",
    // Another path, host or scheme than the one that was judged.
    "x-host",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    // The certificate of a client that the gateway did not ask for one (RFC 9440).
    "client-cert*",
];

/// Whether a client's field is kept from the upstream.
pub(super) fn is_stripped(name: &str) -> bool {
    STRIPPED.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => {
            name.len() >= beginning.len()
                && folded(name).zip(folded(beginning)).all(|(a, b)| a == b)
        }
        None => is_same_name(name, pattern),
    })
}

/// Whether two names are one to the most careless upstream.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    folded(one).eq(folded(other))
}

fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' })
}

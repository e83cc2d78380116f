//! The opening handshake with the upstream (RFC 6455 section 4.1): the client's request, with what
//! is about this connection, the credential and everything that could pass for the gateway's word
//! taken out, and the gateway's word put in.

mod strip;

use core::fmt;

use data_encoding::BASE64;

use super::{cookie, head::RequestHead, upgrade::push_field};
use crate::policy::{
    ForwardCredential, RoutePolicy,
    carrier::{self, Presented},
    forwarded::Forwarded,
    origin::Transport,
};

/// What the upstream is asked.
pub struct UpstreamRequest<'a> {
    /// The client's request.
    pub head: &'a RequestHead,
    /// The route's rules.
    pub policy: &'a RoutePolicy,
    /// What is left without the credential.
    pub presented: &'a Presented,
    /// Who sent it, by way of whom.
    pub forwarded: &'a Forwarded,
    /// The path of the upstream, before which nothing stands; it may have a query.
    pub upstream_path: &'a str,
    /// The value of `Host`.
    pub upstream_host: &'a str,
    /// Fresh random bytes (RFC 6455 section 4.1).
    pub key: [u8; 16],
    /// The subprotocols to offer.
    pub subprotocols: &'a [Box<str>],
    /// The extensions to offer.
    pub extensions: Option<&'a [u8]>,
    /// Who is there, for the upstream. A value that could end its field is left out.
    pub identity: &'a [(&'static str, String)],
}

impl fmt::Debug for UpstreamRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamRequest")
            .field("head", self.head)
            .field("upstream_path", &self.upstream_path)
            .field("upstream_host", &self.upstream_host)
            .finish_non_exhaustive()
    }
}

impl UpstreamRequest<'_> {
    /// The request, whole.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(USUAL_BYTES);
        out.extend_from_slice(b"GET ");
        // A byte that cannot stand in a target would begin something else behind it.
        out.extend(self.target().bytes().filter(u8::is_ascii_graphic));
        out.extend_from_slice(b" HTTP/1.1\r\n");
        push_field(&mut out, "Host", self.upstream_host.as_bytes());
        push_field(&mut out, "Connection", b"Upgrade");
        push_field(&mut out, "Upgrade", b"websocket");
        push_field(&mut out, "Sec-WebSocket-Version", b"13");
        push_field(&mut out, "Sec-WebSocket-Key", BASE64.encode(&self.key).as_bytes());
        if !self.subprotocols.is_empty() {
            let names = self.subprotocols.join(", ");
            push_field(&mut out, "Sec-WebSocket-Protocol", names.as_bytes());
        }
        if let Some(extensions) = self.extensions {
            push_field(&mut out, "Sec-WebSocket-Extensions", extensions);
        }
        self.end_to_end(&mut out);
        self.forwarding(&mut out);
        for (name, value) in self.identity {
            push_field(&mut out, name, value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// The upstream's path, what follows the route's path, and what is left of the query.
    fn target(&self) -> String {
        let (path, own_query) = match self.upstream_path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.upstream_path, None),
        };
        let asked = self.head.path().unwrap_or_default();
        let below = self.policy.path.strip(asked).unwrap_or_default();
        let path = if below.is_empty() { path } else { path.strip_suffix('/').unwrap_or(path) };
        let slash = if path.starts_with('/') || below.starts_with('/') { "" } else { "/" };
        let queries = [own_query, self.presented.query.as_deref()];
        let query = queries.into_iter().flatten().filter(|query| !query.is_empty());
        let query = query.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{slash}{path}{below}{mark}{query}")
    }

    fn end_to_end(&self, out: &mut Vec<u8>) {
        let fields = self.head.fields();
        for (name, value) in fields.iter() {
            let ours = self.identity.iter().any(|(other, _)| strip::is_same_name(other, name));
            if ours || strip::is_stripped(name) || fields.lists("connection", name) {
                continue;
            }
            if strip::is_same_name(name, "authorization") {
                if carrier::forwards_authorization(value, self.policy) {
                    push_field(out, name, value);
                }
                continue;
            }
            if strip::is_same_name(name, "dpop") && !carrier::forwards_proof(self.policy) {
                continue;
            }
            if strip::is_same_name(name, "cookie")
                && let Some(left) = self.cookie_left(value)
            {
                if !left.is_empty() {
                    push_field(out, name, &left);
                }
                continue;
            }
            push_field(out, name, value);
        }
    }

    /// A `Cookie` field without the route's cookie; `None` where it may go on as it is.
    fn cookie_left(&self, value: &[u8]) -> Option<Vec<u8>> {
        match (&self.policy.cookie, self.policy.forward_credential) {
            (None, _) | (Some(_), ForwardCredential::Yes) => None,
            (Some(name), ForwardCredential::No) => cookie::without(value, name.as_bytes()),
        }
    }

    fn forwarding(&self, out: &mut Vec<u8>) {
        let Forwarded { client: _, transport, host, chain } = self.forwarded;
        let chain: Vec<String> = chain.iter().map(ToString::to_string).collect();
        let scheme = match transport {
            Transport::Plain => "http",
            Transport::Tls => "https",
        };
        push_field(out, "X-Forwarded-For", chain.join(", ").as_bytes());
        push_field(out, "X-Forwarded-Proto", scheme.as_bytes());
        push_field(out, "X-Forwarded-Host", host.to_string().as_bytes());
    }
}

/// What most requests fit into, so that the buffer is not grown field by field.
const USUAL_BYTES: usize = 1024;

#[cfg(test)]
mod tests;

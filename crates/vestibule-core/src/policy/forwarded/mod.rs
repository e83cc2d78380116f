//! Who sent a request, by way of whom: what a proxy that is trusted says about its client.
//!
//! Only `X-Forwarded-For`, `-Proto` and `-Host` are read, and only from a peer that is trusted; from
//! anybody else they are what the sender likes. Every proxy appends to them at the right or replaces
//! them, so they are read from the right, and no further than the proxies that are trusted. What is
//! malformed ends the reading: what was known before it counts.

use std::net::{IpAddr, SocketAddr};

use super::origin::{Host, Transport};
use crate::wire::head::RequestHead;

/// Whether an address is one of a proxy whose word counts. Trusting a stranger lets it choose its
/// address, and with it the place where it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Anybody.
    Stranger,
    /// A proxy of ours.
    Proxy,
}

/// What is known about the way of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The last address on the way that is not a trusted proxy's; the first, where all are.
    pub client: IpAddr,
    /// How the client reached the first trusted proxy, or us.
    pub transport: Transport,
    /// The host that the client asked for.
    pub host: Host,
    /// The addresses on the way, the client's first, the peer's last: what the upstream is told.
    pub chain: Box<[IpAddr]>,
}

/// Reads the fields of a request that came from `peer`.
pub fn read(
    head: &RequestHead,
    peer: IpAddr,
    transport: Transport,
    trust: &dyn Fn(IpAddr) -> Trust,
) -> Forwarded {
    let peer = peer.to_canonical();
    let mut chain = vec![peer];
    let mut client = peer;
    let mut proxies = 0;
    let entries: Vec<&[u8]> = head.fields().list("x-forwarded-for").collect();
    let mut entries = entries.into_iter().rev();
    while trust(client) == Trust::Proxy {
        proxies += 1;
        let Some(address) = entries.next().and_then(address) else { break };
        client = address;
        chain.push(address);
    }
    chain.reverse();
    let said_transport = said(head, "x-forwarded-proto", proxies).and_then(scheme);
    let said_host = said(head, "x-forwarded-host", proxies).and_then(Host::parse);
    Forwarded {
        client,
        transport: said_transport.unwrap_or(transport),
        host: said_host.unwrap_or_else(|| head.host().clone()),
        chain: chain.into(),
    }
}

/// What the proxy nearest to the client said, among so many that are trusted. A list that is shorter
/// was replaced on the way, by one of them.
fn said<'a>(head: &'a RequestHead, name: &str, proxies: usize) -> Option<&'a [u8]> {
    let entries: Vec<&[u8]> = head.fields().list(name).collect();
    let at = entries.len().saturating_sub(proxies);
    entries.get(at).copied()
}

fn scheme(value: &[u8]) -> Option<Transport> {
    match value.to_ascii_lowercase().as_slice() {
        b"https" | b"wss" => Some(Transport::Tls),
        b"http" | b"ws" => Some(Transport::Plain),
        _ => None,
    }
}

/// An address, as proxies write it: alone, in brackets, or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address: IpAddr = match bare.parse() {
        Ok(address) => address,
        Err(_) => text.parse::<SocketAddr>().ok()?.ip(),
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests;

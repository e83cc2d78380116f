//! permessage-deflate (RFC 7692) where some messages are the gateway's: it reads them, and takes them
//! out of a stream that the upstream inflates. That works if every message of the client is compressed
//! by itself.

use super::token;
use crate::rejection::Rejection;

const NAME: &str = "permessage-deflate";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";

/// What may be offered to the upstream of what the client offers: permessage-deflate, as it was
/// written, where its parameters are those of RFC 7692 section 7.1. `None` where nothing is left.
///
/// Another extension could change what a frame means.
pub fn offers(offered: &[u8]) -> Option<Vec<u8>> {
    let left: Vec<&[u8]> = token::elements(offered)
        .filter(|element| Parameters::read(element, Side::Offer).is_some())
        .collect();
    (!left.is_empty()).then(|| left.join(&b", "[..]))
}

/// What the client is answered where this is the upstream's answer: the same, and
/// `client_no_context_takeover`, which a server may demand of a client that did not offer it (RFC 7692
/// section 7.1.1.2). The upstream keeps its window, which costs it nothing: messages that do not refer
/// to it are inflated all the same.
pub fn answer(agreed: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut elements = token::elements(agreed);
    let (Some(element), None) = (elements.next(), elements.next()) else {
        return Err(Rejection::UpstreamInvalid);
    };
    let parameters = Parameters::read(element, Side::Answer).ok_or(Rejection::UpstreamInvalid)?;
    let mut out = element.to_vec();
    if !parameters.contains(CLIENT_NO_CONTEXT_TAKEOVER) {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(CLIENT_NO_CONTEXT_TAKEOVER.as_bytes());
    }
    Ok(out)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Offer,
    Answer,
}

/// The parameters of one permessage-deflate, each there at most once.
struct Parameters<'a>(Vec<&'a str>);

impl<'a> Parameters<'a> {
    /// `None` where it is another extension, or breaks RFC 7692 section 7.1.
    fn read(element: &'a [u8], side: Side) -> Option<Self> {
        let mut parts = element.split(|&byte| byte == b';').map(token::trim);
        if token::token(parts.next()?)? != NAME {
            return None;
        }
        let mut names = Vec::new();
        for part in parts {
            let mut sides = part.splitn(2, |&byte| byte == b'=').map(token::trim);
            let name = token::token(sides.next()?)?;
            if names.contains(&name) || !is_legal(name, sides.next(), side) {
                return None;
            }
            names.push(name);
        }
        Some(Self(names))
    }

    fn contains(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

fn is_legal(name: &str, value: Option<&[u8]>, side: Side) -> bool {
    match (name, value, side) {
        ("server_no_context_takeover" | CLIENT_NO_CONTEXT_TAKEOVER, value, _) => value.is_none(),
        ("server_max_window_bits" | "client_max_window_bits", Some(value), _) => is_bits(value),
        // The client lets the server choose (RFC 7692 section 7.1.2.2).
        ("client_max_window_bits", None, side) => side == Side::Offer,
        _ => false,
    }
}

/// 8 to 15, without zeros in front; in quotes or not (RFC 6455 section 9.1).
fn is_bits(value: &[u8]) -> bool {
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    matches!(inner.unwrap_or(value), [b'8' | b'9'] | [b'1', b'0'..=b'5'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_offers(offered: &str, left: Option<&str>) {
        let got = offers(offered.as_bytes()).map(|got| String::from_utf8(got).unwrap());
        assert_eq!(got.as_deref(), left, "{offered}");
    }

    #[track_caller]
    fn check_answer(agreed: &str, told: Result<&str, Rejection>) {
        let got = answer(agreed.as_bytes()).map(|got| String::from_utf8(got).unwrap());
        assert_eq!(got.as_deref().map_err(|rejection| *rejection), told, "{agreed}");
    }

    #[test]
    fn nothing_but_offers_of_this_extension_goes_on() {
        for whole in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=15; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=\"10\"; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover, permessage-deflate",
        ] {
            check_offers(whole, Some(whole));
        }
        check_offers(
            "mux, permessage-deflate ;client_max_window_bits ,, x-webkit-deflate-frame",
            Some("permessage-deflate ;client_max_window_bits"),
        );
        check_offers("permessage-deflate; x, permessage-deflate", Some("permessage-deflate"));
        check_offers("permessage-bzip2", None);
        check_offers("Permessage-Deflate", None);
        check_offers("", None);
    }

    #[test]
    fn an_offer_with_an_unknown_or_doubled_parameter_is_dropped() {
        for bad in [
            "permessage-deflate; x",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=\"\"",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=08",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; client_max_window_bits=\"9",
            "permessage-deflate; client_max_window_bits=+9",
            "permessage-deflate;",
        ] {
            check_offers(bad, None);
            check_answer(bad, Err(Rejection::UpstreamInvalid));
        }
    }

    #[test]
    fn the_client_is_told_to_compress_every_message_by_itself() {
        check_answer("permessage-deflate", Ok("permessage-deflate; client_no_context_takeover"));
        check_answer(
            " permessage-deflate; server_max_window_bits=10; client_max_window_bits=12 ",
            Ok("permessage-deflate; server_max_window_bits=10; client_max_window_bits=12; \
                client_no_context_takeover"),
        );
        for whole in [
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        ] {
            check_answer(whole, Ok(whole));
        }
    }

    #[test]
    fn an_answer_that_is_not_one_agreement_is_invalid() {
        for bad in [
            "",
            "permessage-bzip2",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate, mux",
        ] {
            check_answer(bad, Err(Rejection::UpstreamInvalid));
        }
    }
}

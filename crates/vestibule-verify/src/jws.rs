//! Signed content in its compact form (RFC 7515): exactly three parts, a header that says nothing
//! twice and nothing that we would have to understand and do not, and a signature by a key of ours.

use core::fmt;

use serde_json::{Map, Value};
use vestibule_core::rejection::Rejection;
use zeroize::Zeroizing;

use crate::{
    Refused,
    algorithm::Algorithm,
    encoding,
    jwk::{Key, KeySet},
    limits,
    refused::{shown, shown_all},
};

/// Signed content that was read, and not checked.
pub struct Jws {
    header: Header,
    /// What the signature is over: the first two parts with the dot between them.
    signed: Zeroizing<Vec<u8>>,
    payload: Vec<u8>,
    signature: Zeroizing<Vec<u8>>,
}

struct Header {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
}

impl Jws {
    /// Reads the compact form. The key parameters `jku`, `jwk`, `x5u` and `x5c` (RFC 7515 section
    /// 4.1) are never looked at: a token does not bring its own key.
    pub fn parse(token: &[u8]) -> Result<Self, Refused> {
        let Parts { signed, header, payload, signature } = Parts::of(token)?;
        Ok(Self {
            header: Header::of(&header)?,
            signed: Zeroizing::new(signed.to_vec()),
            payload,
            signature: Zeroizing::new(
                encoding::base64url(signature)
                    .ok_or_else(|| malformed("the signature is not base64url"))?,
            ),
        })
    }

    /// What is signed, unverified unless [`Jws::verified`] said otherwise.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The key's name, as the header says.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The media type, as the header says.
    pub fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// The algorithm, as the header says.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// Finds the key of `keys` that made the signature with one of `algorithms`; where that list is
    /// empty, with an asymmetric one. The header's `alg` chooses nothing: it must be on the list
    /// and be one that the key does (RFC 8725 section 3.1).
    pub fn verified<'k>(
        &self,
        keys: &'k KeySet,
        algorithms: &[Algorithm],
    ) -> Result<&'k Key, Refused> {
        let algorithm = self.algorithm();
        if algorithms.is_empty() && algorithm.is_symmetric() {
            let reason =
                format!("signed with {}, a shared secret, which is not expected", algorithm.name());
            return Err(Refused::new(Rejection::TokenAlgorithm, reason));
        }
        if !algorithms.is_empty() && !algorithms.contains(&algorithm) {
            let wanted = shown_all(algorithms.iter().map(|algorithm| algorithm.name()));
            let reason =
                format!("signed with {}, the issuer's list has {wanted}", algorithm.name());
            return Err(Refused::new(Rejection::TokenAlgorithm, reason));
        }
        if keys.candidates(self.kid(), algorithm).next().is_none() {
            return Err(self.without_key(keys));
        }
        keys.candidates(self.kid(), algorithm)
            .find(|key| key.verifies(algorithm, &self.signed, &self.signature))
            .ok_or_else(|| Refused::new(Rejection::TokenSignature, self.wrong_signature(keys)))
    }

    /// Whether the signature is that of this one key. Nothing is said about who has the key.
    pub(crate) fn is_by(&self, key: &Key) -> bool {
        key.verifies(self.algorithm(), &self.signed, &self.signature)
    }

    fn without_key(&self, keys: &KeySet) -> Refused {
        let algorithm = self.algorithm().name();
        let Some(kid) = self.kid() else {
            let reason = format!(
                "the token names no key, and none of the issuer's keys does {algorithm}: {}",
                keys.described()
            );
            return Refused::new(Rejection::TokenKeyUnknown, reason);
        };
        let kid_shown = shown(kid);
        if let Some(key) = keys.fitting(Some(kid)).next() {
            let does = shown_all(key.algorithms().map(Algorithm::name));
            let reason = format!("key {kid_shown} is for {does}, the token says {algorithm}");
            return Refused::new(Rejection::TokenAlgorithm, reason);
        }
        let reason = match keys.ignored().iter().find(|entry| entry.kid.as_deref() == Some(kid)) {
            Some(entry) => format!("key {kid_shown} of the issuer was left out: {}", entry.reason),
            None => format!("the issuer has no key {kid_shown}; its keys: {}", keys.described()),
        };
        Refused::new(Rejection::TokenKeyUnknown, reason)
    }

    fn wrong_signature(&self, keys: &KeySet) -> String {
        let tried = keys.candidates(self.kid(), self.algorithm()).count();
        let kid = self.kid().map_or_else(|| "(none)".to_owned(), shown);
        format!("the signature is not that of any key tried ({tried}; kid {kid})")
    }
}

impl fmt::Debug for Jws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { header: Header { algorithm, kid, typ }, signed: _, payload: _, signature: _ } =
            self;
        f.debug_struct("Jws")
            .field("algorithm", algorithm)
            .field("kid", kid)
            .field("typ", typ)
            .finish_non_exhaustive()
    }
}

/// The three parts, the first two decoded, none of them judged.
pub(crate) struct Parts<'t> {
    signed: &'t [u8],
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Vec<u8>,
    signature: &'t [u8],
}

impl<'t> Parts<'t> {
    pub(crate) fn of(token: &'t [u8]) -> Result<Self, Refused> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(malformed(format!("longer than {} bytes", limits::TOKEN_BYTES)));
        }
        let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(malformed(match parts.len() {
                5 => "an encrypted token (five parts); only signed ones are taken".to_owned(),
                1 => "not a JSON Web Token: no dots; an opaque token perhaps".to_owned(),
                parts => format!("{parts} parts; a signed token has three"),
            }));
        };
        let length = header.len().saturating_add(1).saturating_add(payload.len());
        let signed = token.get(..length).ok_or_else(|| malformed("cut short"))?;
        let header =
            encoding::base64url(header).ok_or_else(|| malformed("the header is not base64url"))?;
        let header = encoding::object(&header)
            .map_err(|error| malformed(format!("the header is not a JSON object: {error}")))?;
        let payload = encoding::base64url(payload)
            .ok_or_else(|| malformed("the payload is not base64url"))?;
        Ok(Self { signed, header, payload, signature })
    }
}

impl Header {
    fn of(members: &Map<String, Value>) -> Result<Self, Refused> {
        // RFC 7515 section 4.1.11: we understand no extension, and an empty list is not allowed.
        if let Some(critical) = members.get("crit") {
            let names = critical.as_array().into_iter().flatten().filter_map(Value::as_str);
            let reason = match shown_all(names) {
                names if names.is_empty() => "crit is empty or not a list of names".to_owned(),
                names => format!("crit demands what is not understood: {names}"),
            };
            return Err(Refused::new(Rejection::TokenCritical, reason));
        }
        // RFC 7797 section 7: not in tokens; read without it, other bytes would have been signed.
        if members.get("b64").is_some_and(|b64| *b64 != Value::Bool(true)) {
            let reason = "b64 changes what is signed (RFC 7797)";
            return Err(Refused::new(Rejection::TokenCritical, reason));
        }
        let name =
            header_text(members, "alg")?.ok_or_else(|| malformed("the header has no alg"))?;
        let algorithm = Algorithm::from_name(name).ok_or_else(|| {
            let reason = if name.eq_ignore_ascii_case("none") {
                "alg is none: an unsigned token proves nothing".to_owned()
            } else {
                format!("alg {} is not known", shown(name))
            };
            Refused::new(Rejection::TokenAlgorithm, reason)
        })?;
        let kid = header_text(members, "kid")?.map(Box::from);
        let typ = header_text(members, "typ")?.map(Box::from);
        Ok(Self { algorithm, kid, typ })
    }
}

fn header_text<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, Refused> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(format!("the header's {name} is not a string"))),
    }
}

pub(crate) fn malformed(reason: impl Into<String>) -> Refused {
    Refused::new(Rejection::TokenMalformed, reason)
}

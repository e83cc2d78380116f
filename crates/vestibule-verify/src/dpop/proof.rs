//! A proof as it came, and the part of its judgement that needs nothing but the request.

use core::{fmt, time::Duration};

use aws_lc_rs::digest;
use serde_json::Value;
use vestibule_core::{rejection::Rejection, time::UnixTime};

use super::{
    AwaitingNonce, Target, Thumbprint,
    claims::Claims,
    steps::{ReplayKey, Waiting},
};
use crate::{
    Refused,
    algorithm::Algorithm,
    encoding,
    jwk::Key,
    jws::{Jws, Parts},
    limits,
    refused::shown,
};

/// What signs a proof. The key was chosen by whoever asked for the token, and the issuer took it.
pub(super) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Es384, Algorithm::Ps256, Algorithm::Rs256];
/// What a private or symmetric key has (RFC 7518 section 6, RFC 8037 section 2).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What a proof must be for.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// The method: `GET` for a handshake and in band.
    pub method: &'r str,
    /// Where it goes.
    pub target: &'r Target,
    /// The token that comes with it, as it came.
    pub token: &'r [u8],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, token: _ } = self;
        f.debug_struct("Request")
            .field("method", method)
            .field("target", target)
            .finish_non_exhaustive()
    }
}

/// When a proof counts.
#[derive(Clone, Copy, Debug)]
pub struct Expectations {
    /// How old it may be. The longer, the more there is to remember against replay. Default: 60 s.
    pub max_age: Duration,
    /// How far the client's clock and ours may differ, in both directions. Default: 5 s.
    pub clock_skew: Duration,
}

impl Default for Expectations {
    fn default() -> Self {
        Self { max_age: limits::DPOP_AGE, clock_skew: limits::DPOP_SKEW }
    }
}

/// A proof that was read, and not checked.
pub struct Proof {
    jws: Jws,
    key: Key,
    thumbprint: Thumbprint,
    claims: Claims,
}

impl Proof {
    /// Reads a proof: a signed token of type `dpop+jwt` with a public key in its header (RFC 9449
    /// section 4.2). The value of the one `DPoP` field; two of them are not this function's to judge,
    /// and refused before.
    pub fn parse(proof: &[u8]) -> Result<Self, Refused> {
        let jws = Jws::parse(proof).map_err(|refused| invalid(&refused.reason))?;
        if jws.typ() != Some("dpop+jwt") {
            return Err(invalid("typ is not dpop+jwt"));
        }
        if !ALGORITHMS.contains(&jws.algorithm()) {
            return Err(invalid(&format!("alg {} is not accepted", jws.algorithm().name())));
        }
        let parts = Parts::of(proof).map_err(|refused| invalid(&refused.reason))?;
        let jwk = parts.header.get("jwk").ok_or_else(|| invalid("there is no jwk"))?;
        let Value::Object(members) = jwk else {
            return Err(invalid("jwk is not a JSON object"));
        };
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(invalid("jwk holds a private key, which is lost now"));
        }
        let key = Key::from_jwk(jwk).map_err(|reason| invalid(&format!("jwk: {reason}")))?;
        let thumbprint = Thumbprint::of(members).ok_or_else(|| invalid("jwk has no thumbprint"))?;
        let claims = encoding::object(jws.payload())
            .and_then(|claims| Claims::of(&claims))
            .map_err(|reason| invalid(&reason))?;
        Ok(Self { jws, key, thumbprint, claims })
    }

    /// Checks the signature, that the proof is for this request and this token, and that it was made
    /// just now (RFC 9449 section 4.3).
    pub fn check(
        self,
        request: &Request<'_>,
        expected: &Expectations,
        now: UnixTime,
    ) -> Result<AwaitingNonce, Refused> {
        let Self { jws, key, thumbprint, claims } = self;
        if !jws.is_by(&key) {
            return Err(invalid("the signature is not that of the key in it"));
        }
        let Claims { id, method, target, issued, token_hash, nonce } = claims;
        // RFC 9110 section 9.1: methods are case-sensitive.
        if method != request.method {
            return Err(invalid(&format!("htm is {}", shown(&method))));
        }
        if target != *request.target {
            let (is, wanted) = (format!("{target:?}"), format!("{:?}", request.target));
            return Err(invalid(&format!("htu is {}, wanted: {}", shown(&is), shown(&wanted))));
        }
        if issued > now.after(expected.clock_skew) {
            return Err(invalid(&format!("iat lies {} s ahead", now.until(issued).as_secs())));
        }
        let until = issued.after(expected.max_age).after(expected.clock_skew);
        if now >= until {
            return Err(invalid(&format!("made {} s ago", issued.until(now).as_secs())));
        }
        let hash = digest::digest(&digest::SHA256, request.token);
        if encoding::base64url(token_hash.as_bytes()).as_deref() != Some(hash.as_ref()) {
            return Err(invalid("ath is not the hash of the token"));
        }
        let replay = ReplayKey::of(&thumbprint, &id);
        Ok(AwaitingNonce {
            waiting: Waiting { thumbprint, replay, until, token: hash.as_ref().to_vec() },
            nonce,
        })
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jws: _, key: _, thumbprint, claims: _ } = self;
        f.debug_struct("Proof").field("thumbprint", thumbprint).finish_non_exhaustive()
    }
}

pub(super) fn invalid(reason: &str) -> Refused {
    Refused::new(Rejection::DpopProofInvalid, format!("DPoP proof: {reason}"))
}

//! An issuer with two users. It asks for no password: it is the demonstration's, on the loopback.

use core::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use vestibule_verify::{jwt::Algorithm, mint::Signer};

use super::{
    DemoError,
    configuration::{AUDIENCE, OPAQUE, SCOPE},
    opaque::Opaque,
};

/// Longest life of a token, in seconds.
const LONGEST: u64 = 3600;
/// How long ago an expired token ended, in seconds: more than clocks are allowed to differ.
const PAST: u64 = 600;

/// Who can be signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Alice,
    Bob,
}

impl User {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Alice, Self::Bob].into_iter().find(|user| user.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
        }
    }
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// It ended minutes ago.
    Expired,
    /// Its signature is another token's.
    Signature,
    /// It is meant for somebody else.
    Audience,
    /// It does not allow the chat.
    Scope,
}

impl Flaw {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "expired" => Some(Self::Expired),
            "signature" => Some(Self::Signature),
            "audience" => Some(Self::Audience),
            "scope" => Some(Self::Scope),
            _ => None,
        }
    }
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Jwt,
    /// It says nothing itself.
    Opaque,
}

impl Form {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "jwt" => Some(Self::Jwt),
            "opaque" => Some(Self::Opaque),
            _ => None,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) user: User,
    /// How long the token lives, in seconds.
    pub(super) ttl: u64,
    pub(super) flaw: Flaw,
    pub(super) form: Form,
    /// The thumbprint (RFC 7638) of the key that it is bound to.
    pub(super) key: Option<Box<str>>,
}

/// Why an order cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadOrder;

impl fmt::Display for BadOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ask for user=alice or user=bob, ttl=1 to {LONGEST} seconds (600 without), \
             flaw=none, expired, signature, audience or scope, form=jwt or opaque, and jkt=the thumbprint of a key"
        )
    }
}

impl Order {
    /// Reads `user=alice&ttl=30&flaw=none`, in any order, each at most once.
    pub(super) fn parse(query: &str) -> Result<Self, BadOrder> {
        let (mut user, mut ttl, mut flaw) = (None, None, None);
        let (mut form, mut key) = (None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or(BadOrder)?;
            let fresh = match name {
                "user" => user.replace(User::from_name(value).ok_or(BadOrder)?).is_none(),
                "ttl" => ttl.replace(value.parse().map_err(|_| BadOrder)?).is_none(),
                "flaw" => flaw.replace(Flaw::from_name(value).ok_or(BadOrder)?).is_none(),
                "form" => form.replace(Form::from_name(value).ok_or(BadOrder)?).is_none(),
                "jkt" => key.replace(thumbprint(value).ok_or(BadOrder)?).is_none(),
                _ => false,
            };
            if !fresh {
                return Err(BadOrder);
            }
        }
        let ttl = ttl.unwrap_or(600);
        if ttl == 0 || ttl > LONGEST {
            return Err(BadOrder);
        }
        let (flaw, form) = (flaw.unwrap_or(Flaw::None), form.unwrap_or(Form::Jwt));
        Ok(Self { user: user.ok_or(BadOrder)?, ttl, flaw, form, key })
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_secs())
}

/// The thumbprint of a key: 32 bytes in base64url. Whether the one who asks has the key, the
/// demonstration does not look at.
fn thumbprint(text: &str) -> Option<Box<str>> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    (bytes.len() == 32).then(|| text.into())
}

/// A key, and the name it signs with.
#[derive(Debug)]
pub(super) struct Issuer {
    name: String,
    signer: Signer,
    opaque: Opaque,
}

impl Issuer {
    /// With a new key. `name` is its `iss`.
    pub(super) fn new(name: String) -> Result<Self, DemoError> {
        Ok(Self { name, signer: Signer::generate(Algorithm::EdDsa)?, opaque: Opaque::new()? })
    }

    /// The key set.
    pub(super) fn jwks(&self) -> Value {
        self.signer.public_jwks()
    }

    /// The tokens that say nothing themselves.
    pub(super) fn opaque(&self) -> &Opaque {
        &self.opaque
    }

    /// A token.
    pub(super) fn token(&self, order: &Order) -> Result<String, DemoError> {
        let now = now();
        if order.form == Form::Opaque {
            let mut claims = self.claims(order, now);
            if let Some(issuer) = claims.get_mut("iss") {
                *issuer = json!(format!("{}{OPAQUE}", self.name));
            }
            let token = self.opaque.issue(claims)?;
            if order.flaw == Flaw::Signature {
                // There is none that could be wrong: nobody knows this token.
                self.opaque.withdraw(&token);
            }
            return Ok(token);
        }
        let token = self.signer.sign(Some("at+jwt"), &self.claims(order, now))?;
        if order.flaw != Flaw::Signature {
            return Ok(token);
        }
        // A real signature of this very key, under other claims.
        let other = Order { ttl: order.ttl.saturating_add(1), ..order.clone() };
        let other = self.signer.sign(Some("at+jwt"), &self.claims(&other, now))?;
        let claims = token.rsplit_once('.').map_or("", |(claims, _)| claims);
        let signature = other.rsplit_once('.').map_or("", |(_, signature)| signature);
        Ok(format!("{claims}.{signature}"))
    }

    fn claims(&self, order: &Order, now: u64) -> Value {
        let Order { user, ttl, flaw, form: _, ref key } = *order;
        let (issued, ends) = match flaw {
            Flaw::Expired => {
                let ends = now.saturating_sub(PAST);
                (ends.saturating_sub(ttl), ends)
            }
            Flaw::None | Flaw::Signature | Flaw::Audience | Flaw::Scope => {
                (now, now.saturating_add(ttl))
            }
        };
        let mut claims = json!({
            "iss": self.name,
            "sub": user.name(),
            "aud": if flaw == Flaw::Audience { "somebody-else" } else { AUDIENCE },
            "client_id": "demo-page",
            "scope": if flaw == Flaw::Scope { "weather" } else { SCOPE },
            "email": format!("{}@example.com", user.name()),
            "jti": format!("{}-{now}-{ttl}", user.name()),
            "iat": issued,
            "exp": ends,
        });
        if let (Some(key), Some(claims)) = (key, claims.as_object_mut()) {
            claims.insert("cnf".to_owned(), json!({ "jkt": key }));
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use vestibule_core::{rejection::Rejection, time::UnixTime};
    use vestibule_verify::{
        jwk::{KeySet, Symmetric},
        jwt::{self, Expectations, Unverified},
    };

    use super::*;

    #[test]
    fn only_an_order_that_is_understood_is_met() {
        let parsed = Order::parse("ttl=30&user=bob").unwrap();
        assert_eq!(
            parsed,
            Order { user: User::Bob, ttl: 30, flaw: Flaw::None, form: Form::Jwt, key: None }
        );
        let key = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let parsed = Order::parse(&format!("user=alice&jkt={key}")).unwrap();
        assert_eq!(parsed.key.as_deref(), Some(key));
        for bad in [
            "",
            "user=mallory",
            "ttl=30",
            "user=alice&ttl=0",
            "user=alice&ttl=3601",
            "user=alice&ttl=-1",
            "user=alice&user=bob",
            "user=alice&flaw=all",
            "user=alice&admin=1",
            "user=alice&jkt=short",
        ] {
            assert_eq!(Order::parse(bad), Err(BadOrder), "{bad}");
        }
    }

    /// What a verifier says of a token with that flaw.
    fn judged(flaw: Flaw) -> Result<String, Rejection> {
        let issuer = Issuer::new("http://127.0.0.1:1".to_owned()).unwrap();
        let token = issuer
            .token(&Order { user: User::Alice, ttl: 30, flaw, form: Form::Jwt, key: None })
            .unwrap();
        let jwks = issuer.jwks().to_string();
        let keys = KeySet::from_jwks(jwks.as_bytes(), Symmetric::Refused).unwrap();
        let expected = Expectations::new("http://127.0.0.1:1", [AUDIENCE]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = UnixTime::from_secs(now.try_into().unwrap());
        let unverified = Unverified::parse(token.as_bytes()).unwrap();
        jwt::verify(&unverified, &keys, &expected, now)
            .map(|verified| verified.principal().scopes.join(" "))
            .map_err(|refused| refused.rejection)
    }

    #[test]
    fn a_token_is_good_but_for_its_flaw() {
        assert_eq!(judged(Flaw::None), Ok("chat".to_owned()));
        assert_eq!(judged(Flaw::Expired), Err(Rejection::TokenExpired));
        assert_eq!(judged(Flaw::Signature), Err(Rejection::TokenSignature));
        assert_eq!(judged(Flaw::Audience), Err(Rejection::TokenAudience));
        assert_eq!(judged(Flaw::Scope), Ok("weather".to_owned()));
    }
}

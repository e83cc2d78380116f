//! What a token is bound to (`cnf`, RFC 7800), and how whoever shows it proves that it is theirs.

use core::fmt;

use aws_lc_rs::digest;
use serde_json::{Map, Value};
use vestibule_core::rejection::Rejection;

use crate::{
    Refused,
    dpop::{Possession, Thumbprint},
    encoding,
};

/// What a token is bound to. It opens nothing for who does not show that, see
/// [`Checked::held_by`](super::Checked::held_by).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// To nothing: whoever has it may use it.
    Unbound,
    /// To a key (`jkt`, RFC 9449 section 6.1).
    Key(Thumbprint),
    /// To a client certificate (`x5t#S256`, RFC 8705 section 3.1).
    Certificate(CertificateHash),
}

impl Binding {
    /// Reads the claim. What is bound to something that nobody can show here, or to two things, is
    /// refused whoever shows it.
    pub(super) fn of(claims: &Map<String, Value>) -> Result<Self, Refused> {
        let Some(cnf) = claims.get("cnf") else { return Ok(Self::Unbound) };
        let only = cnf.as_object().filter(|members| members.len() == 1);
        let only = only.and_then(|members| members.iter().next());
        let text = only.and_then(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let binding = match text {
            Some(("jkt", hash)) => Thumbprint::parse(hash).map(Self::Key),
            Some(("x5t#S256", hash)) => CertificateHash::parse(hash).map(Self::Certificate),
            Some(_) | None => None,
        };
        binding.ok_or_else(|| wrong("bound (cnf) to something else than one key or certificate"))
    }
}

/// SHA-256 of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateHash([u8; 32]);

impl CertificateHash {
    /// Of the certificate that a client showed in TLS, which must have been one whose key the client
    /// has.
    pub fn of(der: &[u8]) -> Self {
        let mut hash = [0; 32];
        let digest = digest::digest(&digest::SHA256, der);
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }

    fn parse(text: &str) -> Option<Self> {
        encoding::base64url(text.as_bytes())?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for CertificateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::to_base64url(&self.0))
    }
}

/// How whoever shows a token proves that it is theirs. To make one is to vouch for it: a wrong one
/// lets a thief use what was bound to keep thieves out.
#[derive(Clone, Copy, Debug)]
pub struct Holder(Shown);

#[derive(Clone, Copy, Debug)]
enum Shown {
    Token,
    Certificate(CertificateHash),
    Key(Thumbprint),
}

impl Holder {
    /// By the token alone.
    pub const BEARER: Self = Self(Shown::Token);

    /// By the token, on a connection of TLS that this client certificate opened.
    pub const fn with_certificate(certificate: CertificateHash) -> Self {
        Self(Shown::Certificate(certificate))
    }

    /// By the token and a proof that was made for it. Who proves a key for a token that is bound to
    /// none is refused, too: they believe to be safer than they are (RFC 9449 section 7.1).
    pub fn with_key(possession: &Possession, token: &[u8]) -> Result<Self, Refused> {
        if possession.is_for(digest::digest(&digest::SHA256, token).as_ref()) {
            return Ok(Self(Shown::Key(possession.thumbprint())));
        }
        Err(wrong("the proof of possession was made for another token"))
    }

    /// Whether that is what a token is bound to.
    pub(super) fn shows(&self, binding: Binding) -> Result<(), Refused> {
        match (binding, self.0) {
            (Binding::Unbound, Shown::Token | Shown::Certificate(_)) => Ok(()),
            (Binding::Unbound, Shown::Key(_)) => {
                Err(wrong("not bound (cnf) to the key that came with it"))
            }
            (Binding::Key(bound), Shown::Key(shown)) if bound == shown => Ok(()),
            (Binding::Key(_), Shown::Key(_)) => Err(wrong("bound (cnf) to another key")),
            (Binding::Key(_), Shown::Token | Shown::Certificate(_)) => {
                Err(wrong("bound to a key (cnf.jkt) whose possession is not proven here"))
            }
            (Binding::Certificate(bound), Shown::Certificate(shown)) if bound == shown => Ok(()),
            (Binding::Certificate(_), Shown::Certificate(_)) => {
                Err(wrong("bound (cnf) to another certificate"))
            }
            (Binding::Certificate(_), Shown::Token | Shown::Key(_)) => {
                Err(wrong("bound to a certificate (cnf.x5t#S256) that is not shown here"))
            }
        }
    }
}

fn wrong(reason: &str) -> Refused {
    Refused::new(Rejection::TokenClaims, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ONE: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn read(cnf: &Value) -> Result<Binding, Refused> {
        Binding::of(json!({ "cnf": cnf }).as_object().unwrap())
    }

    #[test]
    fn a_binding_is_to_one_key_or_one_certificate() {
        assert_eq!(Binding::of(&Map::new()), Ok(Binding::Unbound));
        let key = Thumbprint::parse(ONE).map(Binding::Key);
        assert_eq!(read(&json!({ "jkt": ONE })).ok(), key);
        let certificate = CertificateHash::parse(ONE).map(Binding::Certificate);
        assert_eq!(read(&json!({ "x5t#S256": ONE })).ok(), certificate);
        for cnf in [
            json!(null),
            json!(ONE),
            json!([ONE]),
            json!({}),
            json!({ "jkt": null }),
            json!({ "jkt": [ONE] }),
            json!({ "jkt": "" }),
            json!({ "jkt": "AAAA" }),
            json!({ "jkt": format!("{ONE}=") }),
            json!({ "JKT": ONE }),
            json!({ "x5t": ONE }),
            json!({ "x5t#S256": 1 }),
            json!({ "kid": "a key", "jkt": ONE }),
            json!({ "jkt": ONE, "x5t#S256": ONE }),
            json!({ "jwk": {} }),
            json!({ "osc": {} }),
        ] {
            let refused = read(&cnf).expect_err(&cnf.to_string());
            assert_eq!(refused.rejection, Rejection::TokenClaims, "{cnf}");
        }
    }

    #[test]
    fn only_what_a_token_is_bound_to_opens_it() {
        let certificate = CertificateHash::of(b"a certificate");
        let key = Thumbprint::parse(ONE).unwrap();
        let bindings = [Binding::Unbound, Binding::Certificate(certificate), Binding::Key(key)];
        let holders = [
            Holder::BEARER,
            Holder::with_certificate(certificate),
            Holder::with_certificate(CertificateHash::of(b"another one")),
            Holder(Shown::Key(key)),
            Holder(Shown::Key(Thumbprint::parse(&ONE.replace('0', "1")).unwrap())),
        ];
        let opens = bindings.map(|binding| holders.map(|holder| holder.shows(binding).is_ok()));
        assert_eq!(
            opens,
            [
                // A certificate beside a token that is bound to none is somebody else's business.
                [true, true, true, false, false],
                [false, true, false, false, false],
                [false, false, false, true, false],
            ]
        );
    }
}

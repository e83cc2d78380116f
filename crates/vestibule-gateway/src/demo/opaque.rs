//! Tokens that say nothing themselves: the issuer keeps what they mean, and tells who may ask
//! (RFC 7662).

use core::fmt;
use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::people::random;

/// Most tokens that are kept; the demonstration issues no more.
const TOKENS: usize = 10_000;

/// What there is of them.
pub(super) struct Opaque {
    secret: Zeroizing<String>,
    kept: Mutex<BTreeMap<String, Value>>,
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opaque").finish_non_exhaustive()
    }
}

impl Opaque {
    /// None yet, and a new secret.
    pub(super) fn new() -> io::Result<Self> {
        let secret = Zeroizing::new(BASE64URL_NOPAD.encode(&random::<32>()?));
        Ok(Self { secret, kept: Mutex::default() })
    }

    /// By what the gateway may ask.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// A token that stands for these claims.
    pub(super) fn issue(&self, claims: Value) -> io::Result<String> {
        let token = format!("demo_{}", BASE64URL_NOPAD.encode(&random::<32>()?));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= TOKENS {
            return Err(io::Error::other("too many tokens: start the demonstration anew"));
        }
        kept.insert(token.clone(), claims);
        Ok(token)
    }

    /// From now on the token means nothing.
    pub(super) fn withdraw(&self, token: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    /// What a token means, for who has the secret; nothing for others. `form` is `token=…`.
    pub(super) fn answer(
        &self,
        authorization: Option<&[u8]>,
        form: &[u8],
        now: u64,
    ) -> Option<Value> {
        let shown = authorization?.strip_prefix(b"Bearer ")?;
        verify_slices_are_equal(shown, self.secret.as_bytes()).ok()?;
        // No token of ours has a character that a form would encode.
        let form = str::from_utf8(form).unwrap_or_default();
        let token = form.split('&').find_map(|pair| pair.strip_prefix("token="));
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut claims = token.and_then(|token| kept.get(token)).cloned().unwrap_or_default();
        let ends = claims.get("exp").and_then(Value::as_u64);
        match claims.as_object_mut() {
            Some(members) if ends.is_some_and(|ends| ends > now) => {
                members.insert("active".to_owned(), json!(true));
                members.insert("token_type".to_owned(), json!("Bearer"));
                Some(claims)
            }
            Some(_) | None => Some(json!({ "active": false })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateway_is_told_what_a_token_means_and_only_while_it_does() {
        let opaque = Opaque::new().unwrap();
        let token = opaque.issue(json!({ "sub": "alice", "exp": 100 })).unwrap();
        let bearer = format!("Bearer {}", opaque.secret());
        let form = format!("token={token}&token_type_hint=access_token");
        let ask = |who: Option<&str>, form: &str, now| {
            opaque.answer(who.map(str::as_bytes), form.as_bytes(), now)
        };
        assert_eq!(ask(None, &form, 99), None);
        assert_eq!(ask(Some("Bearer wrong"), &form, 99), None);
        assert_eq!(
            ask(Some(&bearer), &form, 99),
            Some(json!({ "sub": "alice", "exp": 100, "active": true, "token_type": "Bearer" }))
        );
        let nothing = Some(json!({ "active": false }));
        assert_eq!(ask(Some(&bearer), &form, 100), nothing);
        assert_eq!(ask(Some(&bearer), "token=demo_other", 99), nothing);
        opaque.withdraw(&token);
        assert_eq!(ask(Some(&bearer), &form, 99), nothing);
    }
}

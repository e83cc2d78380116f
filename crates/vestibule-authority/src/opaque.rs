//! What opaque tokens are made of: randomness, hashes, and comparing without telling where they
//! differ.

use aws_lc_rs::{constant_time, digest, rand};
use data_encoding::BASE64URL_NOPAD;
use vestibule_core::authn::Secret;
use zeroize::Zeroizing;

use crate::store::{Digest, StoreError};

/// Bytes in the name of a thing: 128 bits, so that nobody meets another's by chance.
pub(crate) const ID_BYTES: usize = 16;
/// Bytes of a secret: 256 bits.
pub(crate) const SECRET_BYTES: usize = 32;

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, StoreError> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(bytes.as_mut()).map_err(|_| StoreError("the system has no randomness".into()))?;
    Ok(bytes)
}

/// SHA-256 over parts, each preceded by its length, so that no two lists of parts are the same text.
pub(crate) fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut array = [0; 32];
    for (to, from) in array.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    array
}

/// Whether both are the same; takes as long whatever they hold.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Exactly that many bytes of base64url without padding, in its one spelling.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    if BASE64URL_NOPAD.decode_len(text.len()).ok()? != N {
        return None;
    }
    let length = BASE64URL_NOPAD.decode_mut(text, bytes.as_mut()).ok()?;
    (length == N).then_some(bytes)
}

/// A token: a prefix, and the base64url of these bytes.
pub(crate) fn token(prefix: &str, parts: &[&[u8]]) -> Secret {
    let bytes = Zeroizing::new(parts.concat());
    let body = Zeroizing::new(encode(&bytes));
    let text = Zeroizing::new([prefix.as_bytes(), body.as_bytes()].concat());
    Secret::new(text.as_slice())
}

/// The bytes behind the prefix; `None` for whatever is not exactly of that form.
pub(crate) fn bytes_of<const N: usize>(prefix: &str, token: &Secret) -> Option<Zeroizing<[u8; N]>> {
    decode(token.expose().strip_prefix(prefix.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_spelling() {
        let secret = token("vst_", &[&[1, 2], &[3]]);
        assert_eq!(secret.expose(), b"vst_AQID");
        assert_eq!(bytes_of::<3>("vst_", &secret).as_deref(), Some(&[1, 2, 3]));
        for other in ["vst_AQI", "vst_AQIDBA", "vst_AQID=", "vst_ AQID", "vss_AQID", "AQID", "vst_"]
        {
            assert!(bytes_of::<3>("vst_", &Secret::new(other)).is_none(), "{other}");
        }
        assert!(bytes_of::<1>("vst_", &Secret::new("vst_AR")).is_none());
    }

    #[test]
    fn lists_of_parts_do_not_run_into_each_other() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"ab"]), digest(&[b"ab", b""]));
        assert_eq!(digest(&[b"ab", b"c"]), digest(&[b"ab", b"c"]));
    }

    #[test]
    fn randomness_does_not_repeat() {
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
    }
}

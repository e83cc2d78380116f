//! API keys as text: `vsk_`, an id, a secret, and a checksum, all in letters and digits.
//!
//! ```text
//! vsk_ + 22 characters (id) + 43 characters (secret) + 6 characters (checksum)
//! ```
//!
//! - All 75 characters match `vsk_[0-9A-Za-z]{71}`, which a secret scanner can look for. A double
//!   click selects all of it, and nothing in it is changed by a URL, a shell or a quoted string.
//! - The id names the key in lists, logs and revocations; it is no secret.
//! - The secret has 256 bits of randomness. A hash of the key is all that its keeper needs, and since
//!   nobody guesses 256 bits, a fast one will do: SHA-256 of the 75 characters.
//! - The checksum is the CRC-32 of ISO-HDLC (that of gzip and PNG) over the 69 characters before it,
//!   as a number in base 62 with the digits `0-9A-Za-z`, most significant first. A scanner tells a
//!   key from noise by it without asking anybody, and a key with a slip of the pen is refused before
//!   anything is looked up. It keeps no forger out.

use core::fmt;

use aws_lc_rs::{constant_time, digest, rand};
use vestibule_core::{authn::Secret, rejection::Rejection};
use zeroize::Zeroizing;

use crate::Refused;

/// What an API key begins with.
const PREFIX: &str = "vsk_";
const ID_CHARS: usize = 22;
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
const BODY_CHARS: usize = ID_CHARS + SECRET_CHARS;
const SIGNED_CHARS: usize = PREFIX.len() + BODY_CHARS;
/// Of which nearly always enough are fair.
const RANDOM_BYTES: usize = 2 * BODY_CHARS;

/// Length of an API key, in bytes.
pub const LENGTH: usize = SIGNED_CHARS + CHECKSUM_CHARS;

/// What is kept of a key, to know it again.
pub type Hash = [u8; 32];

/// An API key that is of its form. Whether there is such a key, its keeper knows.
pub struct ApiKey {
    text: Zeroizing<[u8; LENGTH]>,
}

/// The system has no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

impl ApiKey {
    /// A new one.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut text = Zeroizing::new([0; LENGTH]);
        let (head, checksum) = text.split_at_mut(SIGNED_CHARS);
        let (prefix, body) = head.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        loop {
            rand::fill(random.as_mut()).map_err(|_| NoRandomness)?;
            // Of 256 values the last 8 would make some digits likelier than others.
            let fair = random.iter().filter(|byte| **byte < 4 * 62);
            let digits = fair.map(|byte| digit(u32::from(*byte) % 62));
            let mut filled = 0;
            for (to, digit) in body.iter_mut().zip(digits) {
                *to = digit;
                filled += 1;
            }
            if filled == BODY_CHARS {
                break;
            }
        }
        checksum.copy_from_slice(&base62(crc32(head)));
        Ok(Self { text })
    }

    /// Reads one. The refusal says nothing of what is in it.
    pub fn parse(presented: &[u8]) -> Result<Self, Refused> {
        let malformed = |reason: &str| Refused::new(Rejection::TokenMalformed, reason);
        let text: [u8; LENGTH] =
            presented.try_into().map_err(|_| malformed("not as long as an API key"))?;
        let text = Zeroizing::new(text);
        let (head, checksum) = text.split_at(SIGNED_CHARS);
        let body = head.strip_prefix(PREFIX.as_bytes()).unwrap_or_default();
        if body.is_empty() || !body.iter().all(u8::is_ascii_alphanumeric) {
            return Err(malformed("not of the form of an API key"));
        }
        if *checksum != base62(crc32(head)) {
            return Err(malformed("the checksum of the API key is wrong: a slip of the pen"));
        }
        Ok(Self { text })
    }

    /// Its name; no secret.
    pub fn id(&self) -> &str {
        let id = self.text.get(PREFIX.len()..PREFIX.len() + ID_CHARS).unwrap_or_default();
        // Letters and digits, by construction.
        core::str::from_utf8(id).unwrap_or_default()
    }

    /// What is kept of it.
    pub fn hash(&self) -> Hash {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(digest::digest(&digest::SHA256, &*self.text).as_ref())
        {
            *to = *from;
        }
        hash
    }

    /// Whether it is the key of which that was kept. Takes as long whatever it is.
    pub fn is(&self, kept: &Hash) -> bool {
        constant_time::verify_slices_are_equal(&self.hash(), kept).is_ok()
    }

    /// The key itself, for whom it was made.
    pub fn secret(&self) -> Secret {
        Secret::new(self.text.as_slice())
    }
}

/// Whether a text can be the id of a key.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system has no randomness")
    }
}

impl core::error::Error for NoRandomness {}

fn base62(mut number: u32) -> [u8; CHECKSUM_CHARS] {
    let mut digits = [0; CHECKSUM_CHARS];
    for to in digits.iter_mut().rev() {
        *to = digit(number % 62);
        number /= 62;
    }
    digits
}

fn digit(number: u32) -> u8 {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    usize::try_from(number).ok().and_then(|place| DIGITS.get(place)).copied().unwrap_or(b'0')
}

/// CRC-32 of ISO-HDLC, a bit at a time: 69 bytes want no table.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= POLYNOMIAL;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its checksum was computed with zlib.
    const KNOWN: &str =
        "vsk_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0121ZlHdk";

    fn text(key: &ApiKey) -> String {
        String::from_utf8(key.secret().expose().to_vec()).unwrap()
    }

    fn part(text: &str, range: core::ops::Range<usize>) -> &str {
        text.get(range).unwrap()
    }

    fn refusal(text: &str) -> Rejection {
        ApiKey::parse(text.as_bytes()).unwrap_err().rejection
    }

    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(&base62(0), b"000000");
        assert_eq!(&base62(61), b"00000z");
        assert_eq!(&base62(u32::MAX), b"4gfFC3");
        assert_eq!(ApiKey::parse(KNOWN.as_bytes()).unwrap().id(), "0123456789ABCDEFGHIJKL");
    }

    #[test]
    fn a_key_that_was_made_is_read_and_is_the_one_that_was_made() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let key = ApiKey::generate().unwrap();
            let text = text(&key);
            assert_eq!(text.len(), LENGTH);
            assert!(
                text.starts_with("vsk_")
                    && part(&text, 4..75).bytes().all(|b| b.is_ascii_alphanumeric())
            );
            let read = ApiKey::parse(text.as_bytes()).unwrap();
            assert_eq!(read.id(), part(&text, 4..26));
            assert!(is_id(read.id()) && !is_id(&text));
            assert!(read.is(&key.hash()));
            assert!(!ApiKey::generate().unwrap().is(&key.hash()));
            assert!(
                seen.insert(read.id().to_owned()) && seen.insert(part(&text, 26..69).to_owned())
            );
        }
    }

    #[test]
    fn all_digits_are_as_likely() {
        let mut counts = [0_u32; 256];
        let keys = 2000;
        for _ in 0..keys {
            for byte in ApiKey::generate().unwrap().text.iter().take(SIGNED_CHARS).skip(4) {
                counts[usize::from(*byte)] += 1;
            }
        }
        let expected = keys * 65 / 62;
        for (byte, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            // Ten standard deviations: never by chance.
            assert!(count.abs_diff(expected) < 460, "{byte}: {count}, not {expected}");
        }
        assert_eq!(counts.iter().filter(|count| **count > 0).count(), 62);
    }

    #[test]
    fn a_slip_of_the_pen_is_no_key() {
        let key = text(&ApiKey::generate().unwrap());
        for place in 0..key.len() {
            for other in ['0', 'A', 'z', '_', ' ', '\0'] {
                let mut slip: Vec<char> = key.chars().collect();
                if slip[place] == other {
                    continue;
                }
                slip[place] = other;
                let slip: String = slip.into_iter().collect();
                assert_eq!(refusal(&slip), Rejection::TokenMalformed, "{place} {other}");
            }
        }
        // Two neighbours that changed places.
        for place in 4..key.len() - 1 {
            let mut slip = key.clone().into_bytes();
            slip.swap(place, place + 1);
            if slip != key.as_bytes() {
                assert!(ApiKey::parse(&slip).is_err(), "{place}");
            }
        }
    }

    #[test]
    fn what_is_of_another_form_is_no_key() {
        let key = text(&ApiKey::generate().unwrap());
        let upper = key.replace("vsk_", "VSK_");
        let cases = [
            String::new(),
            "vsk_".into(),
            part(&key, 0..74).into(),
            format!("{key}0"),
            format!(" {key}"),
            format!("{key}\n"),
            key.replace("vsk_", "vst_"),
            upper,
            "x".repeat(100_000),
        ];
        for case in cases {
            assert_eq!(refusal(&case), Rejection::TokenMalformed, "{case}");
        }
        // Right checksum, wrong form.
        let mut text = [b'-'; LENGTH];
        text[..4].copy_from_slice(b"vsk_");
        let checksum = base62(crc32(&text[..SIGNED_CHARS]));
        text[SIGNED_CHARS..].copy_from_slice(&checksum);
        assert!(ApiKey::parse(&text).is_err());
        text[..4].copy_from_slice(b"vss_");
        text[4..SIGNED_CHARS].fill(b'0');
        let checksum = base62(crc32(&text[..SIGNED_CHARS]));
        text[SIGNED_CHARS..].copy_from_slice(&checksum);
        assert!(ApiKey::parse(&text).is_err());
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = ApiKey::generate().unwrap();
        let shown = format!("{key:?} {:?}", key.secret());
        let text = text(&key);
        assert!(shown.contains(key.id()) && !shown.contains(part(&text, 26..75)), "{shown}");
        let refused = ApiKey::parse(text.replace('a', "b").as_bytes());
        assert!(!format!("{refused:?}").contains(part(&text, 26..40)));
    }
}

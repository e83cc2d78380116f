//! What a server keeps of a password, and what it answers where there is nothing to keep.

use core::{fmt, num::NonZeroU32};

use aws_lc_rs::{digest, hmac, pbkdf2};
use data_encoding::BASE64;
use zeroize::{Zeroize, Zeroizing};

use super::prepared::{TextFault, prepared};
use crate::limits;

const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// How the text of RFC 5803 begins.
const SCHEME: &str = "SCRAM-SHA-256$";

/// One hash, wiped when dropped.
pub(super) type Hash = Zeroizing<[u8; HASH_BYTES]>;

/// How often the password is hashed. Whoever steals the stored keys pays it for each guess, and
/// each client for each sign-in; the server pays it once, when the password is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Iterations(NonZeroU32);

impl Iterations {
    /// The least that a server may ask for (RFC 7677 section 4).
    pub const MIN: Self = Self(limits::SCRAM_ITERATIONS_MIN);
    /// What to use where nothing else is wanted.
    pub const DEFAULT: Self = Self(limits::SCRAM_ITERATIONS);

    /// That many; `None` below [`Iterations::MIN`], and above what our own clients would do.
    pub fn new(count: u32) -> Option<Self> {
        let count = NonZeroU32::new(count)?;
        let range = limits::SCRAM_ITERATIONS_MIN..=limits::SCRAM_ITERATIONS_MAX;
        range.contains(&count).then_some(Self(count))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    #[cfg(test)]
    pub(super) fn of_a_vector(count: u32) -> Self {
        Self(NonZeroU32::new(count).unwrap())
    }
}

/// What a server keeps of a password (RFC 5802 section 3). Whoever has it can pretend to be this
/// server, and try passwords; it does not sign in. It is no Argon2 hash: when a password changes,
/// both must be written, or the old password goes on working in one place.
#[derive(Clone)]
pub struct StoredKeys {
    salt: [u8; SALT_BYTES],
    iterations: Iterations,
    stored_key: Hash,
    server_key: Hash,
}

impl StoredKeys {
    /// From a password and a fresh random salt. Takes as long as the iterations say: a few
    /// milliseconds up to half a second, so not for a thread that has other things to do.
    pub fn derive(
        password: &str,
        salt: [u8; SALT_BYTES],
        iterations: Iterations,
    ) -> Result<Self, TextFault> {
        let salted = salted_password(&prepared(password)?, &salt, iterations.0);
        let Derived { client: _, stored, server } = Derived::of(&salted);
        Ok(Self { salt, iterations, stored_key: stored, server_key: server })
    }

    /// Reads what [`StoredKeys::to_text`] wrote. Keys of another server are taken too, if they have
    /// a salt of 16 bytes and enough iterations.
    pub fn from_text(text: &str) -> Result<Self, KeysFault> {
        let (parameters, keys) = text
            .strip_prefix(SCHEME)
            .and_then(|text| text.split_once('$'))
            .ok_or(KeysFault::Malformed)?;
        let (iterations, salt) = parameters.split_once(':').ok_or(KeysFault::Malformed)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(KeysFault::Malformed)?;
        let count = decimal(iterations).ok_or(KeysFault::Malformed)?;
        Ok(Self {
            salt: *exactly::<SALT_BYTES>(salt).ok_or(KeysFault::Malformed)?,
            iterations: Iterations::new(count).ok_or(KeysFault::Iterations)?,
            stored_key: exactly(stored_key).ok_or(KeysFault::Malformed)?,
            server_key: exactly(server_key).ok_or(KeysFault::Malformed)?,
        })
    }

    /// For a store: `SCRAM-SHA-256$i:salt$StoredKey:ServerKey`, the parts in Base64. This is the
    /// form of RFC 5803, and that in which `PostgreSQL` keeps passwords.
    pub fn to_text(&self) -> Zeroizing<String> {
        let Self { salt, iterations, stored_key, server_key } = self;
        let keys = [stored_key, server_key].map(|key| Zeroizing::new(BASE64.encode(&**key)));
        let [stored_key, server_key] = &keys;
        let (count, salt) = (iterations.get(), BASE64.encode(salt));
        // Long enough, so that no piece is left behind where it was moved from.
        let mut text = Zeroizing::new(String::with_capacity(limits::SCRAM_KEYS_CHARS));
        for piece in [SCHEME, &count.to_string(), ":", &salt, "$", stored_key, ":", server_key] {
            text.push_str(piece);
        }
        text
    }

    /// How often the password is hashed: below the current setting, derive again at the next
    /// sign-in by password.
    pub fn iterations(&self) -> Iterations {
        self.iterations
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether `proof` shows the client key, and so the password (RFC 5802 section 3).
    pub(super) fn accepts(&self, auth_message: &[u8], proof: &[u8; HASH_BYTES]) -> Accepts {
        let signature = mac(&*self.stored_key, auth_message);
        let client_key = xor(proof, &signature);
        let shown = sha256(&*client_key);
        match aws_lc_rs::constant_time::verify_slices_are_equal(&*shown, &*self.stored_key) {
            Ok(()) => Accepts::Yes,
            Err(_) => Accepts::No,
        }
    }

    pub(super) fn server_signature(&self, auth_message: &[u8]) -> Hash {
        mac(&*self.server_key, auth_message)
    }
}

/// Whether a proof fits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepts {
    Yes,
    No,
}

impl fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { salt: _, iterations, stored_key: _, server_key: _ } = self;
        f.debug_struct("StoredKeys").field("iterations", iterations).finish_non_exhaustive()
    }
}

/// Why stored keys cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysFault {
    /// Not of their form.
    Malformed,
    /// Too few iterations to be safe, or too many to be asked for: the password must be set anew.
    Iterations,
}

impl fmt::Display for KeysFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not the stored keys of SCRAM-SHA-256",
            Self::Iterations => "too few or too many iterations",
        })
    }
}

impl core::error::Error for KeysFault {}

/// Makes the answer for names that nobody has: always the same for one name, as that of a real one
/// would be, and nobody can tell without the secret.
///
/// The secret must be the same on all nodes and after a restart, or a salt that changes tells who
/// does not exist. The iterations should be those that most users have.
pub struct Decoy {
    secret: hmac::Key,
    iterations: Iterations,
}

impl Decoy {
    /// From a secret of its own, made once.
    pub fn new(mut secret: [u8; HASH_BYTES], iterations: Iterations) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        secret.zeroize();
        Self { secret: key, iterations }
    }

    /// False keys, which no password fits.
    pub(super) fn keys(&self, user: &str) -> StoredKeys {
        let part = |label: &str| {
            let mut context = hmac::Context::with_key(&self.secret);
            context.update(b"vestibule scram decoy\0");
            context.update(label.as_bytes());
            context.update(b"\0");
            context.update(user.as_bytes());
            hash_of(context.sign().as_ref())
        };
        let mut salt = [0; SALT_BYTES];
        for (to, from) in salt.iter_mut().zip(*part("salt")) {
            *to = from;
        }
        let (stored_key, server_key) = (part("stored key"), part("server key"));
        StoredKeys { salt, iterations: self.iterations, stored_key, server_key }
    }
}

impl fmt::Debug for Decoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, iterations } = self;
        f.debug_struct("Decoy").field("iterations", iterations).finish_non_exhaustive()
    }
}

/// The keys that follow from a salted password.
pub(super) struct Derived {
    pub(super) client: Hash,
    pub(super) stored: Hash,
    pub(super) server: Hash,
}

impl Derived {
    pub(super) fn of(salted_password: &Hash) -> Self {
        let client = mac(&**salted_password, b"Client Key");
        let stored = sha256(&*client);
        Self { client, stored, server: mac(&**salted_password, b"Server Key") }
    }
}

/// `Hi` of RFC 5802 section 2.2, which is PBKDF2 with one block.
pub(super) fn salted_password(password: &str, salt: &[u8], iterations: NonZeroU32) -> Hash {
    let mut out = Zeroizing::new([0; HASH_BYTES]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        password.as_bytes(),
        out.as_mut_slice(),
    );
    out
}

pub(super) fn mac(key: &[u8], message: &[u8]) -> Hash {
    hash_of(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref())
}

pub(super) fn xor(left: &[u8; HASH_BYTES], right: &[u8; HASH_BYTES]) -> Hash {
    let mut out = Zeroizing::new(*left);
    out.iter_mut().zip(right).for_each(|(to, from)| *to ^= from);
    out
}

fn sha256(message: &[u8]) -> Hash {
    hash_of(digest::digest(&digest::SHA256, message).as_ref())
}

fn hash_of(bytes: &[u8]) -> Hash {
    let mut out = Zeroizing::new([0; HASH_BYTES]);
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

/// Base64 of exactly that many bytes.
pub(super) fn exactly<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
    Some(Zeroizing::new(<[u8; N]>::try_from(bytes.as_slice()).ok()?))
}

/// A positive number as RFC 5802 section 7 writes it: no sign, no leading zero.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !text.starts_with('0')).then(|| text.parse().ok()).flatten()
}

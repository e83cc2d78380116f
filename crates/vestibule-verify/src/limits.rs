//! Every bound of this crate in one place.

use core::{num::NonZeroU32, time::Duration};

/// Longest token, in bytes: the longest credential of any carrier.
pub(crate) const TOKEN_BYTES: usize = vestibule_core::limits::CREDENTIAL_BYTES;
/// Deepest nesting of a token's JSON. Real ones stay below ten.
pub(crate) const JSON_DEPTH: usize = 32;
/// Longest answer about a token, in bytes: what a provider knows about one person, groups included.
pub(crate) const INTROSPECTION_BYTES: usize = 64 * 1024;
/// Longest key set, in bytes.
pub(crate) const KEY_SET_BYTES: usize = 512 * 1024;
/// Most keys taken from one set.
pub(crate) const KEYS: usize = 128;
/// Most keys that one token may be tried with: what a stranger's token can cost.
pub(crate) const CANDIDATES: usize = 8;
/// Longest shared secret, in bytes.
pub(crate) const SECRET_BYTES: usize = 16 * 1024;
/// Shortest RSA modulus (RFC 7518 section 3.3).
pub(crate) const RSA_BITS_MIN: usize = 2048;
/// Longest RSA modulus that aws-lc verifies with; longer ones only cost time.
pub(crate) const RSA_BITS_MAX: usize = 8192;
/// Longest RSA public exponent, in bytes: F4 and below in practice.
pub(crate) const RSA_EXPONENT_BYTES: usize = 4;
/// Longest foreign text that a reason repeats, in characters.
pub(crate) const SHOWN_CHARS: usize = 80;

/// Longest name or password, in bytes, before and after it is prepared (RFC 4013).
pub(crate) const PREPARED_BYTES: usize = 1024;
/// Longest message of SCRAM, in bytes: a name with every byte escaped, twice, and nonces.
pub(crate) const SCRAM_MESSAGE_BYTES: usize = 8 * 1024;
/// Longest nonce, in bytes: in a final message those of both sides.
pub(crate) const SCRAM_NONCE_BYTES: usize = 512;
/// Longest text of stored keys, in bytes: scheme, ten digits, 24 characters, 44, 44, separators.
pub(crate) const SCRAM_KEYS_CHARS: usize = 160;
/// Fewest iterations that a server asks for (RFC 7677 section 4).
pub(crate) const SCRAM_ITERATIONS_MIN: NonZeroU32 = at_least_one(15_000);
/// Iterations that a server asks for where nothing else is wanted: a tenth of a second and less for
/// a client in native code.
pub(crate) const SCRAM_ITERATIONS: NonZeroU32 = at_least_one(100_000);
/// Most iterations that a server may ask for and a client does.
pub(crate) const SCRAM_ITERATIONS_MAX: NonZeroU32 = at_least_one(1_000_000);
/// Fewest iterations that a client does (RFC 7677 section 4): fewer would make the password cheap to
/// guess for a false server.
pub(crate) const SCRAM_ITERATIONS_TAKEN_MIN: NonZeroU32 = at_least_one(4096);

/// Longest line of `authorized_keys` and longest JSON Web Key of a user, in bytes.
pub(crate) const KEY_LINE_BYTES: usize = 8 * 1024;
/// Most patterns in a `from` option.
pub(crate) const FROM_PATTERNS: usize = 64;
/// Longest SSH signature, in characters, armor included. One by the keys that are accepted has below
/// 500.
pub(crate) const SSHSIG_BYTES: usize = 4 * 1024;

/// Longest certificate of a client, in bytes of DER. Real ones are below three thousand.
pub(crate) const CERTIFICATE_BYTES: usize = 16 * 1024;
/// Longest name in a certificate that somebody can be called by, and longest pattern of one, in bytes:
/// half of what SPIFFE allows (SPIFFE-ID section 2.3).
pub(crate) const CERTIFICATE_NAME_BYTES: usize = 1024;
/// Most names of a certificate that are looked at.
pub(crate) const CERTIFICATE_NAMES: usize = 64;

/// Longest address in a proof, in bytes: a request target and an authority.
pub(crate) const TARGET_BYTES: usize = vestibule_core::limits::TARGET_BYTES + 512;
/// How old a proof of possession may be.
pub(crate) const DPOP_AGE: Duration = Duration::from_mins(1);
/// How far the clock of whoever made a proof may differ from ours.
pub(crate) const DPOP_SKEW: Duration = Duration::from_secs(5);
/// How long a nonce for proofs is given out.
pub(crate) const DPOP_NONCE_PERIOD: Duration = Duration::from_mins(1);

/// Most methods of authentication (`amr`) of a token.
pub(crate) const METHODS: usize = 16;
/// Longest of them, in bytes. Those of RFC 8176 have six.
pub(crate) const METHOD_BYTES: usize = 64;
/// Longest authentication context class (`acr`), in bytes.
pub(crate) const CONTEXT_BYTES: usize = 256;

/// Longest answer of a browser about a passkey, in bytes of JSON: that of an in-band message.
pub(crate) const WEBAUTHN_JSON_BYTES: usize = vestibule_core::limits::MESSAGE_BYTES;
/// Longest name of a passkey, in bytes (Web Authentication section 4).
pub(crate) const CREDENTIAL_ID_BYTES: usize = 1023;
/// Deepest nesting of CBOR. Authenticators write four levels (CTAP 2.1 section 8).
pub(crate) const CBOR_DEPTH: usize = 8;
/// Most items of an array and pairs of a map in CBOR.
pub(crate) const CBOR_ITEMS: usize = 64;

/// Longest message of OAUTHBEARER, in bytes: that of an in-band message.
pub(crate) const OAUTHBEARER_BYTES: usize = vestibule_core::limits::MESSAGE_BYTES;

const fn at_least_one(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}
/// Shortest password, in bytes of UTF-8 (NIST SP 800-63B section 5.1.1.2: eight characters).
pub(crate) const PASSWORD_BYTES_MIN: usize = 8;
/// Longest password, in bytes.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// Least memory of a hash, in KiB, together with [`PASSWORD_PASSES_MIN`]: OWASP, Password Storage Cheat
/// Sheet.
pub(crate) const PASSWORD_MEMORY_MIN: u32 = 19 * 1024;
/// Most memory of a hash, in KiB: a hash that somebody wrote into the store must not stop the machine.
pub(crate) const PASSWORD_MEMORY_MAX: u32 = 1024 * 1024;
/// Fewest passes over the memory.
pub(crate) const PASSWORD_PASSES_MIN: u32 = 2;
/// Most passes.
pub(crate) const PASSWORD_PASSES_MAX: u32 = 64;
/// Longest hash as a text.
pub(crate) const PASSWORD_HASH_BYTES: usize = 256;

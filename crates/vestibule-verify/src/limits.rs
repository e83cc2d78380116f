//! Every bound of this crate in one place.

/// Longest token, in bytes: the longest credential of any carrier.
pub(crate) const TOKEN_BYTES: usize = vestibule_core::limits::CREDENTIAL_BYTES;
/// Deepest nesting of a token's JSON. Real ones stay below ten.
pub(crate) const JSON_DEPTH: usize = 32;
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

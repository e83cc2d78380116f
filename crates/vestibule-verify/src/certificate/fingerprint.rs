//! The name of a certificate: SHA-256 over its DER.

use core::fmt;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

use crate::encoding;

/// SHA-256 over the DER of a certificate: what a token that is bound to it has in `cnf.x5t#S256`
/// (RFC 8705 section 3.1), and, in hexadecimal, what it is revoked by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate's DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self(bytes)
    }

    /// As it stands in `cnf.x5t#S256`: base64url without padding.
    pub fn confirmation(&self) -> String {
        encoding::to_base64url(&self.0)
    }
}

/// Lower case, without colons: what `sha256sum` prints of the DER.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

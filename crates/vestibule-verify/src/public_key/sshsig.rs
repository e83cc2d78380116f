//! SSH signatures (PROTOCOL.sshsig of OpenSSH), as `ssh-keygen -Y sign` writes them.

use aws_lc_rs::digest;
use data_encoding::BASE64;

use super::{
    key::{ED25519, P256, PublicKey},
    wire::{Reader, push_string},
};
use crate::limits;

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
/// What keeps a signature that was made for a file or a commit from being one for us, and the other
/// way round.
const NAMESPACE: &[u8] = b"vestibule";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// A signature that was read, and not checked.
pub(super) struct SshSig {
    key: Box<[u8]>,
    reserved: Box<[u8]>,
    hash: Hash,
    kind: &'static str,
    signature: [u8; 64],
}

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha512,
}

impl SshSig {
    /// Reads the armored form, or what stands between its lines.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > limits::SSHSIG_BYTES {
            return Err("the signature is too long");
        }
        let blob = dearmored(text).ok_or("not an SSH signature: no armor, no Base64")?;
        Self::from_blob(&blob)
    }

    fn from_blob(blob: &[u8]) -> Result<Self, &'static str> {
        const FORM: &str = "not an SSH signature";
        let mut reader = Reader::new(blob);
        reader.exactly(MAGIC).ok_or(FORM)?;
        if reader.u32().ok_or(FORM)? != VERSION {
            return Err("an SSH signature of another version");
        }
        let key = reader.string().ok_or(FORM)?;
        if reader.string().ok_or(FORM)? != NAMESPACE {
            return Err("an SSH signature for another namespace than \"vestibule\"");
        }
        let reserved = reader.string().ok_or(FORM)?;
        let hash = match reader.string().ok_or(FORM)? {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            _ => return Err("an SSH signature over an unknown hash"),
        };
        let inner = reader.string().ok_or(FORM)?;
        reader.end().ok_or(FORM)?;
        let (kind, signature) = signature(inner)
            .ok_or("an SSH signature that is neither Ed25519 nor ECDSA on P-256")?;
        Ok(Self { key: key.into(), reserved: reserved.into(), hash, kind, signature })
    }

    /// Whether it is by that key, over that message.
    pub(super) fn is_by(&self, key: &PublicKey, message: &[u8]) -> bool {
        if *self.key != *key.blob() || self.kind != key.name() {
            return false;
        }
        let (name, algorithm): (&[u8], _) = match self.hash {
            Hash::Sha256 => (b"sha256", &digest::SHA256),
            Hash::Sha512 => (b"sha512", &digest::SHA512),
        };
        let mut signed = MAGIC.to_vec();
        push_string(&mut signed, NAMESPACE);
        push_string(&mut signed, &self.reserved);
        push_string(&mut signed, name);
        push_string(&mut signed, digest::digest(algorithm, message).as_ref());
        key.verifies(&signed, &self.signature)
    }
}

fn signature(blob: &[u8]) -> Option<(&'static str, [u8; 64])> {
    let mut reader = Reader::new(blob);
    let kind = reader.string()?;
    let value = reader.string()?;
    reader.end()?;
    if kind == ED25519.as_bytes() {
        return Some((ED25519, value.try_into().ok()?));
    }
    if kind != P256.as_bytes() {
        return None;
    }
    // RFC 5656 section 3.1.2.
    let mut reader = Reader::new(value);
    let (r, s) = (reader.scalar()?, reader.scalar()?);
    reader.end()?;
    let mut out = [0; 64];
    out.iter_mut().zip(r.iter().chain(&s)).for_each(|(to, from)| *to = *from);
    Some((P256, out))
}

fn dearmored(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_matches(['\r', '\n']);
    let body = match text.strip_prefix(BEGIN) {
        Some(rest) => {
            let body = rest.strip_suffix(END)?;
            // Both lines are lines of their own.
            (body.starts_with(['\r', '\n']) && body.ends_with('\n')).then_some(body)?
        }
        None => text,
    };
    let body: String = body.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    BASE64.decode(body.as_bytes()).ok()
}

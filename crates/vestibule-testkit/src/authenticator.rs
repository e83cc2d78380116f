//! An authenticator with one passkey, and the browser before it (Web Authentication Level 3), in
//! software. Both lie where they are told to.

use anyhow::{Context as _, Result, anyhow};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use crate::{base64url, from_base64url};

/// One passkey, and the page that uses it.
#[derive(Debug)]
pub struct Authenticator {
    key: EcdsaKeyPair,
    /// What it calls its passkey.
    pub id: Vec<u8>,
    /// What it calls its user; learned when it is registered.
    pub handle: Option<Vec<u8>>,
    /// The page.
    pub origin: String,
    /// The party that it believes to be asked by.
    pub party: String,
    /// What it says about its user and itself: the sum of the constants.
    pub flags: u8,
    /// How often it has signed; it counts from one on, and not from zero.
    pub count: u32,
}

impl Authenticator {
    /// Its user is there.
    pub const PRESENT: u8 = 1;
    /// Its user is known to it.
    pub const VERIFIED: u8 = 1 << 2;
    /// Its passkey can be copied.
    pub const COPYABLE: u8 = 1 << 3;
    /// Its passkey was copied.
    pub const COPIED: u8 = 1 << 4;
    /// The passkey is with what it says.
    const ATTESTED: u8 = 1 << 6;

    /// A new one, whose passkey has this name.
    pub fn new(origin: &str, party: &str, id: &[u8]) -> Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| anyhow!("no key was made"))?;
        Ok(Self {
            key,
            id: id.to_vec(),
            handle: None,
            origin: origin.to_owned(),
            party: party.to_owned(),
            flags: Self::PRESENT | Self::VERIFIED,
            count: 0,
        })
    }

    /// What `navigator.credentials.create()` makes of such options, as JSON.
    pub fn create(&mut self, options: &Value) -> Result<Value> {
        let handle = options.pointer("/user/id").and_then(Value::as_str).context("no user.id")?;
        self.handle = Some(from_base64url(handle)?);
        let client_data = self.client_data("webauthn.create", options)?;
        let point = self.key.public_key().as_ref();
        let (_, point) = point.split_first().context("no point")?;
        let (x, y) = point.split_at_checked(32).context("a short point")?;
        let length = u16::try_from(self.id.len())?.to_be_bytes();
        let cose = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], x, &[0x22, 0x58, 32], y];
        let attested = [&[0; 16][..], &length, &self.id, &cose.concat()].concat();
        let data = [self.data(self.flags | Self::ATTESTED), attested].concat();
        let head = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData";
        let object = [&head[..], &bytes_head(data.len())?, &data].concat();
        let id = base64url(&self.id);
        Ok(json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64url(client_data.as_bytes()),
                "attestationObject": base64url(&object),
                "transports": ["internal"],
            },
        }))
    }

    /// What `navigator.credentials.get()` makes of such options, as JSON.
    pub fn get(&mut self, options: &Value) -> Result<Value> {
        if self.count > 0 {
            self.count += 1;
        }
        let client_data = self.client_data("webauthn.get", options)?;
        let data = self.data(self.flags);
        let hash = digest(&SHA256, client_data.as_bytes());
        let signed = [&*data, hash.as_ref()].concat();
        let signature = self
            .key
            .sign(&SystemRandom::new(), &signed)
            .map_err(|_| anyhow!("nothing was signed"))?;
        let id = base64url(&self.id);
        Ok(json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": base64url(client_data.as_bytes()),
                "authenticatorData": base64url(&data),
                "signature": base64url(signature.as_ref()),
                "userHandle": self.handle.as_deref().map(base64url),
            },
        }))
    }

    fn client_data(&self, kind: &str, options: &Value) -> Result<String> {
        let challenge = options.get("challenge").and_then(Value::as_str).context("no challenge")?;
        let said = json!({
            "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false,
        });
        Ok(said.to_string())
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let party = digest(&SHA256, self.party.as_bytes());
        [party.as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }
}

/// The head of a byte string in CBOR (RFC 8949 section 3), in its shortest form.
fn bytes_head(length: usize) -> Result<Vec<u8>> {
    Ok(match u8::try_from(length) {
        Ok(length) => vec![0x58, length],
        Err(_) => [&[0x59][..], &u16::try_from(length)?.to_be_bytes()].concat(),
    })
}

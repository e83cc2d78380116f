//! What a browser's `toJSON()` makes of its answers (Web Authentication section 5.1).

use core::fmt;

use serde_json::{Map, Value};

use super::{client_data::ClientData, malformed};
use crate::{Refused, encoding, limits};

/// The answer to `navigator.credentials.create()`, read and not checked.
pub struct Registration {
    pub(super) id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    pub(super) attestation_object: Vec<u8>,
}

impl Registration {
    /// Reads a `RegistrationResponseJSON`. What the browser unpacked of it (`publicKey`,
    /// `authenticatorData`) is not looked at: it is signed by nobody.
    pub fn parse(json: &[u8]) -> Result<Self, Refused> {
        let Envelope { id, response } = Envelope::parse(json)?;
        Ok(Self {
            id,
            client_data: bytes(&response, "clientDataJSON")?,
            attestation_object: bytes(&response, "attestationObject")?,
        })
    }

    /// Which challenge it says to answer, to look it up; `None` where it is no [`Challenge`]. Nothing is
    /// proven yet.
    ///
    /// [`Challenge`]: super::Challenge
    pub fn challenge(&self) -> Result<Option<[u8; 32]>, Refused> {
        Ok(ClientData::parse(&self.client_data)?.challenge().try_into().ok())
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

/// The answer to `navigator.credentials.get()`, read and not checked.
pub struct Assertion {
    pub(super) id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    pub(super) authenticator_data: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) user_handle: Option<Vec<u8>>,
}

impl Assertion {
    /// Reads an `AuthenticationResponseJSON`.
    pub fn parse(json: &[u8]) -> Result<Self, Refused> {
        let Envelope { id, response } = Envelope::parse(json)?;
        let user_handle = match response.get("userHandle") {
            None | Some(Value::Null) => None,
            Some(_) => Some(bytes(&response, "userHandle")?),
        };
        Ok(Self {
            id,
            client_data: bytes(&response, "clientDataJSON")?,
            authenticator_data: bytes(&response, "authenticatorData")?,
            signature: bytes(&response, "signature")?,
            user_handle,
        })
    }

    /// Which credential it says to be of, to look it up.
    pub fn credential_id(&self) -> &[u8] {
        &self.id
    }

    /// Whose it says to be: what the authenticator keeps of the user. Nothing is proven yet.
    pub fn user_handle(&self) -> Option<&[u8]> {
        self.user_handle.as_deref()
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").finish_non_exhaustive()
    }
}

struct Envelope {
    id: Vec<u8>,
    response: Map<String, Value>,
}

impl Envelope {
    fn parse(json: &[u8]) -> Result<Self, Refused> {
        if json.len() > limits::WEBAUTHN_JSON_BYTES {
            return Err(malformed("the response is too long"));
        }
        let mut members = encoding::object(json)
            .map_err(|error| malformed(format!("the response is not a JSON object: {error}")))?;
        if members.get("type").and_then(Value::as_str) != Some("public-key") {
            return Err(malformed("the response has another type than public-key"));
        }
        let id = bytes(&members, "id")?;
        if id.is_empty() || id.len() > limits::CREDENTIAL_ID_BYTES {
            return Err(malformed("the credential's name is empty or too long"));
        }
        if members.contains_key("rawId") && bytes(&members, "rawId")? != id {
            return Err(malformed("id and rawId are not the same"));
        }
        match members.remove("response") {
            Some(Value::Object(response)) => Ok(Self { id, response }),
            Some(_) | None => Err(malformed("there is no response in it")),
        }
    }
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Refused> {
    members
        .get(name)
        .and_then(Value::as_str)
        .and_then(|text| encoding::base64url(text.as_bytes()))
        .ok_or_else(|| malformed(format!("{name} is missing or not base64url")))
}

//! The judgement of both ceremonies (Web Authentication sections 7.1 and 7.2).

use core::fmt;

use aws_lc_rs::digest;

use super::{
    Assertion, Backup, Credential, Registration, UserVerified,
    authenticator_data::AuthenticatorData, cbor::Reader, client_data::ClientData, invalid,
    malformed,
};
use crate::{Refused, encoding};

/// What this server is to its users.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    id_hash: [u8; 32],
    origins: Box<[Box<str>]>,
    framing: Framing,
    verification: UserVerification,
}

/// Who may have our page in a frame while a passkey is used there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nobody.
    Refused,
    /// Pages of these origins. Browsers that do not say whose page it is are refused.
    By(Box<[Box<str>]>),
    /// Anybody, who can then make the user sign in for them without their seeing where.
    ByAnybody,
}

/// Whether the authenticator must have known its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserVerification {
    /// It must: the passkey replaces a password.
    Required,
    /// It need not: the passkey is a second factor.
    Optional,
}

impl RelyingParty {
    /// A party by its identifier, a domain name (`rp.id`), and the origins of its pages, which are
    /// compared exactly. The user must be verified, and no frame is allowed.
    pub fn new<'a>(id: &str, origins: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            id_hash: sha256(id.as_bytes()),
            origins: origins.into_iter().map(Box::from).collect(),
            framing: Framing::Refused,
            verification: UserVerification::Required,
        }
    }

    /// With other rules about frames.
    #[must_use]
    pub fn with_framing(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// With another demand on the authenticator.
    #[must_use]
    pub fn with_verification(self, verification: UserVerification) -> Self {
        Self { verification, ..self }
    }

    /// Judges a new passkey, for the user with that handle, who must be signed in. What comes back is
    /// to be stored, unless somebody has a credential of that name.
    pub fn register(
        &self,
        challenge: Challenge,
        response: &Registration,
        user_handle: &[u8],
    ) -> Result<Credential, Refused> {
        self.page(&response.client_data, "webauthn.create", challenge)?;
        let data = authenticator_data_of(&response.attestation_object)
            .ok_or_else(|| malformed("not an attestation object"))?;
        let data = AuthenticatorData::parse(data)?;
        self.authenticator(&data)?;
        let AuthenticatorData { party: _, user: _, backup, sign_count, attested } = data;
        let attested = attested.ok_or_else(|| malformed("there is no attested credential"))?;
        if attested.id != response.id {
            return Err(malformed("another credential than the response says"));
        }
        Ok(Credential {
            id: attested.id.into(),
            key: attested.key,
            sign_count,
            backup,
            user_handle: user_handle.into(),
        })
    }

    /// Judges the use of a passkey. Where the store has no credential of that name, pass none: it is
    /// refused like a wrong signature, after the same checks.
    pub fn authenticate(
        &self,
        challenge: Challenge,
        response: &Assertion,
        credential: Option<&Credential>,
        expected: ExpectedUser<'_>,
    ) -> Result<Authenticated, Refused> {
        self.page(&response.client_data, "webauthn.get", challenge)?;
        let data = AuthenticatorData::parse(&response.authenticator_data)?;
        self.authenticator(&data)?;
        let credential =
            credential.filter(|credential| *credential.id == *response.id).ok_or_else(wrong)?;
        let signed =
            [response.authenticator_data.as_slice(), &sha256(&response.client_data)].concat();
        if !credential.key.verifies(&signed, &response.signature) {
            return Err(wrong());
        }
        expected.check(response.user_handle(), &credential.user_handle)?;
        let AuthenticatorData { party: _, user, backup, sign_count, attested: _ } = data;
        if backup.is_possible() != credential.backup.is_possible() {
            return Err(invalid("whether it can be backed up has changed, which cannot be"));
        }
        // Both are zero where the authenticator does not count.
        if (sign_count, credential.sign_count) != (0, 0) && sign_count <= credential.sign_count {
            return Err(invalid("its count went back: there may be a copy of the authenticator"));
        }
        Ok(Authenticated { user, backup, sign_count })
    }

    fn page(&self, client_data: &[u8], kind: &str, challenge: Challenge) -> Result<(), Refused> {
        let challenge = challenge.spent();
        ClientData::parse(client_data)?.check(kind, &challenge, &self.origins, &self.framing)
    }

    fn authenticator(&self, data: &AuthenticatorData<'_>) -> Result<(), Refused> {
        if *data.party != self.id_hash {
            return Err(invalid("made for another party"));
        }
        match (self.verification, data.user) {
            (UserVerification::Optional, UserVerified::Yes | UserVerified::No)
            | (UserVerification::Required, UserVerified::Yes) => Ok(()),
            (UserVerification::Required, UserVerified::No) => {
                Err(invalid("the authenticator did not verify its user"))
            }
        }
    }
}

/// A challenge, spent by what judges the answer to it. It must come from the system's generator, be
/// given to one client, and be forgotten after a few minutes.
pub struct Challenge([u8; 32]);

impl Challenge {
    /// From fresh random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    fn spent(self) -> [u8; 32] {
        self.0
    }
}

/// As it is sent: base64url.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::to_base64url(&self.0))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge")
    }
}

/// Whose passkey it must be.
#[derive(Clone, Copy)]
pub enum ExpectedUser<'u> {
    /// That of the user with this handle, who said who they are.
    Named(&'u [u8]),
    /// That of whoever the authenticator says: then it must say so.
    Discovered,
}

impl ExpectedUser<'_> {
    fn check(self, claimed: Option<&[u8]>, owner: &[u8]) -> Result<(), Refused> {
        let is_theirs = match (self, claimed) {
            (Self::Named(expected), None) => expected == owner,
            (Self::Named(expected), Some(claimed)) => expected == owner && claimed == owner,
            (Self::Discovered, Some(claimed)) => claimed == owner,
            (Self::Discovered, None) => false,
        };
        if is_theirs { Ok(()) } else { Err(wrong()) }
    }
}

impl fmt::Debug for ExpectedUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named(_) => "Named",
            Self::Discovered => "Discovered",
        })
    }
}

/// Proof that a passkey was used. Only [`RelyingParty::authenticate`] makes it. Its count and its
/// backup are to be stored with the credential.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated {
    user: UserVerified,
    backup: Backup,
    sign_count: u32,
}

impl Authenticated {
    /// Whether it proves one factor or two.
    pub fn user(&self) -> UserVerified {
        self.user
    }

    /// Whether it is backed up by now.
    pub fn backup(&self) -> Backup {
        self.backup
    }

    /// The new count.
    pub fn sign_count(&self) -> u32 {
        self.sign_count
    }
}

/// Reads an attestation object (section 6.5.4) and gives what matters of it. A statement of format
/// `none` is empty (section 8.7); of others nothing is believed.
fn authenticator_data_of(object: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(object);
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..reader.map()? {
        match reader.text()? {
            "fmt" if format.is_none() => format = Some(reader.text()?),
            "attStmt" if statement.is_none() => statement = Some(reader.skip_map()?),
            "authData" if data.is_none() => data = Some(reader.bytes()?),
            _ => return None,
        }
    }
    reader.end()?;
    match (format?, statement?) {
        ("none", 0) => data,
        ("none", _) => None,
        (_, _) => data,
    }
}

fn wrong() -> Refused {
    invalid("unknown credential, wrong signature, or not the credential of this user")
}

fn sha256(message: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let hash = digest::digest(&digest::SHA256, message);
    out.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

//! What the authenticator says (Web Authentication section 6.1).

use super::{
    cbor::Reader,
    credential::{Backup, UserVerified},
    invalid,
    key::CredentialKey,
    malformed,
};
use crate::{Refused, limits};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

pub(super) struct AuthenticatorData<'b> {
    pub(super) party: &'b [u8; 32],
    pub(super) user: UserVerified,
    pub(super) backup: Backup,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested<'b>>,
}

/// The credential that was made.
pub(super) struct Attested<'b> {
    pub(super) id: &'b [u8],
    pub(super) key: CredentialKey,
}

impl<'b> AuthenticatorData<'b> {
    /// Reads it all: nothing may be left over. That the user was present is demanded here, always.
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self, Refused> {
        let short = || malformed("authenticator data is cut short");
        let (party, rest) = bytes.split_first_chunk().ok_or_else(short)?;
        let (flags, rest) = rest.split_first().ok_or_else(short)?;
        let (sign_count, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let has = |flag: u8| flags & flag != 0;
        let (attested, rest) = if has(ATTESTED) {
            let (attested, rest) = Attested::read(rest)?;
            (Some(attested), rest)
        } else {
            (None, rest)
        };
        let mut reader = Reader::new(rest);
        if has(EXTENDED) {
            reader.skip_map().ok_or_else(|| malformed("the extensions are not a map"))?;
        }
        reader.end().ok_or_else(|| malformed("authenticator data goes on where it should end"))?;
        if !has(USER_PRESENT) {
            return Err(invalid("the user was not present"));
        }
        let backup = match (has(BACKUP_ELIGIBLE), has(BACKED_UP)) {
            (false, false) => Backup::OneDevice,
            (true, false) => Backup::Possible,
            (true, true) => Backup::Done,
            (false, true) => return Err(invalid("backed up, although it cannot be")),
        };
        let user = if has(USER_VERIFIED) { UserVerified::Yes } else { UserVerified::No };
        Ok(Self { party, user, backup, sign_count: u32::from_be_bytes(*sign_count), attested })
    }
}

impl<'b> Attested<'b> {
    fn read(bytes: &'b [u8]) -> Result<(Self, &'b [u8]), Refused> {
        let short = || malformed("the attested credential is cut short");
        // The model of the authenticator: nobody vouches for it here.
        let (_aaguid, rest) = bytes.split_first_chunk::<16>().ok_or_else(short)?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > limits::CREDENTIAL_ID_BYTES {
            return Err(malformed("a credential's name is empty or too long"));
        }
        let (id, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        let mut reader = Reader::new(rest);
        let key = CredentialKey::read(&mut reader)
            .map_err(|fault| malformed(format!("the credential's key: {fault}")))?;
        Ok((Self { id, key }, reader.rest()))
    }
}

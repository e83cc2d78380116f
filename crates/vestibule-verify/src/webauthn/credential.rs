//! What a server keeps of a passkey (Web Authentication section 4, "credential record").

use core::fmt;

use super::CredentialKey;

/// A passkey as it is registered with a user.
#[derive(Clone)]
pub struct Credential {
    /// Its name, which the authenticator chose. It must belong to one user only: where it is
    /// registered already, refuse the new registration, whoever asks.
    pub id: Box<[u8]>,
    /// Its key.
    pub key: CredentialKey,
    /// How often it signed; zero on authenticators that do not count. To be kept up to date with each
    /// [`Authenticated`](super::Authenticated).
    pub sign_count: u32,
    /// Whether it can be on several devices.
    pub backup: Backup,
    /// The user, as the authenticator knows them (`user.id`): random, not a name.
    pub user_handle: Box<[u8]>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: _, key: _, sign_count, backup, user_handle: _ } = self;
        f.debug_struct("Credential")
            .field("sign_count", sign_count)
            .field("backup", backup)
            .finish_non_exhaustive()
    }
}

/// Whether a passkey is bound to one device (section 6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backup {
    /// It is, and always will be.
    OneDevice,
    /// It can be copied by its provider, and is not yet.
    Possible,
    /// Its provider has a copy.
    Done,
}

impl Backup {
    /// Whether it can be copied, which never changes.
    pub fn is_possible(self) -> bool {
        match self {
            Self::OneDevice => false,
            Self::Possible | Self::Done => true,
        }
    }

    /// Whether it was copied, as far as is known.
    pub fn is_done(self) -> bool {
        match self {
            Self::OneDevice | Self::Possible => false,
            Self::Done => true,
        }
    }
}

/// Whether the authenticator knew its user, by a PIN or a finger. A key that is merely plugged in
/// proves one factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserVerified {
    /// It did.
    Yes,
    /// Somebody touched it.
    No,
}

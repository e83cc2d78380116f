//! What only the caller can know: whether the nonce is ours, and whether the proof was used before.

use core::fmt;

use aws_lc_rs::digest;
use vestibule_core::time::UnixTime;

use super::{NonceIs, Thumbprint, proof::invalid};
use crate::Refused;

/// Signature, request, token and date are right: is the nonce?
#[must_use = "a proof that is not followed to its end proves nothing"]
pub struct AwaitingNonce {
    pub(super) waiting: Waiting,
    pub(super) nonce: Option<String>,
}

pub(super) struct Waiting {
    pub(super) thumbprint: Thumbprint,
    pub(super) replay: ReplayKey,
    pub(super) until: UnixTime,
    /// The token's hash, as the proof has it.
    pub(super) token: Vec<u8>,
}

impl AwaitingNonce {
    /// The nonce that the client put in, to be judged by [`Nonces::judge`](super::Nonces::judge), or
    /// compared with the challenge of the connection by [`NonceIs::compared`].
    pub fn claimed(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Goes on with that judgement. An old or missing nonce is no forgery: the client gets a new one
    /// and tries again (RFC 9449 section 8).
    pub fn nonce(self, nonce: NonceIs) -> Result<AwaitingReplay, UseNonce> {
        let Self { waiting, nonce: _ } = self;
        match nonce {
            NonceIs::Ours | NonceIs::NotWanted => Ok(AwaitingReplay { waiting }),
            NonceIs::MissingOrOld => Err(UseNonce),
        }
    }
}

impl fmt::Debug for AwaitingNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitingNonce").finish_non_exhaustive()
    }
}

/// Send a new nonce: in HTTP with 401, `DPoP-Nonce` and error `use_dpop_nonce`, in band with a
/// challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseNonce;

impl fmt::Display for UseNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proof has no nonce of ours, or an old one")
    }
}

impl core::error::Error for UseNonce {}

/// The nonce is right: was the proof used before?
#[must_use = "a proof that is not followed to its end proves nothing"]
pub struct AwaitingReplay {
    waiting: Waiting,
}

impl AwaitingReplay {
    /// Whose proof it is, once it is known not to be a copy.
    pub fn thumbprint(&self) -> Thumbprint {
        self.waiting.thumbprint
    }

    /// What to remember, on all nodes.
    pub fn replay_key(&self) -> ReplayKey {
        self.waiting.replay
    }

    /// Until when. From then on the proof is too old.
    pub fn replay_until(&self) -> UnixTime {
        self.waiting.until
    }

    /// Goes on with the store's answer, which must come from one step that both asks and remembers. A
    /// store that cannot answer is no first use.
    pub fn replay(self, replay: Replay) -> Result<Possession, Refused> {
        match replay {
            Replay::FirstUse => {
                let Waiting { thumbprint, replay: _, until: _, token } = self.waiting;
                Ok(Possession { thumbprint, token })
            }
            Replay::UsedBefore => Err(invalid("used before")),
        }
    }
}

impl fmt::Debug for AwaitingReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitingReplay").finish_non_exhaustive()
    }
}

/// Whether the store knew the [`ReplayKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// It did not, and does now.
    FirstUse,
    /// It did.
    UsedBefore,
}

/// A proof's key and `jti`, hashed: as long for all, and nobody can use up another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplayKey([u8; 32]);

impl ReplayKey {
    pub(super) fn of(thumbprint: &Thumbprint, id: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        // Of fixed length, so that it cannot run into what follows.
        context.update(thumbprint.as_bytes());
        context.update(id.as_bytes());
        let mut out = [0; 32];
        out.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(out)
    }

    /// The bytes, for a store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayKey")
    }
}

/// Proof that the client has the private key, made for this request and its token. Only
/// [`AwaitingReplay::replay`] makes it. Whether the token is bound to this key is for
/// [`Checked::held_by`](crate::jwt::Checked::held_by) to say.
pub struct Possession {
    thumbprint: Thumbprint,
    token: Vec<u8>,
}

impl Possession {
    /// Which key.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Whether the proof was made for the token with that SHA-256.
    pub(crate) fn is_for(&self, token_hash: &[u8]) -> bool {
        self.token == token_hash
    }
}

impl fmt::Debug for Possession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thumbprint, token: _ } = self;
        f.debug_struct("Possession").field("thumbprint", thumbprint).finish_non_exhaustive()
    }
}

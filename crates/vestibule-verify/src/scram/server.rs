//! The server's side: first message, challenge, final message, proof.

use core::fmt;

use data_encoding::BASE64;
use vestibule_core::rejection::Rejection;
use zeroize::Zeroizing;

use super::{
    Nonce, TlsExporter,
    keys::{Accepts, Decoy, StoredKeys, exactly},
    message::{self, Flag},
};
use crate::Refused;

/// What the client chose, and what it could have chosen. A wrong value here undoes the protection
/// against somebody who takes the better mechanism out of the list.
#[derive(Clone, Copy)]
pub enum Binding {
    /// `SCRAM-SHA-256`, where `SCRAM-SHA-256-PLUS` was not offered.
    Unavailable,
    /// `SCRAM-SHA-256`, although `SCRAM-SHA-256-PLUS` was offered on this connection.
    Offered,
    /// `SCRAM-SHA-256-PLUS`, on the connection with that exporter.
    TlsExporter(TlsExporter),
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "Unavailable",
            Self::Offered => "Offered",
            Self::TlsExporter(_) => "TlsExporter",
        })
    }
}

/// The client's first message, read: look up the keys of [`ClientFirst::user`], then
/// [`ClientFirst::challenge`].
pub struct ClientFirst {
    user: Zeroizing<String>,
    nonce: String,
    bare: String,
    /// What `c` must be: header and binding, in Base64.
    expected_binding: String,
}

impl ClientFirst {
    /// Reads a first message. What is not one is `malformed_message`; a binding that does not go
    /// with the mechanism, or a client that was made to believe that there is none to have, is
    /// `mechanism_not_allowed`.
    pub fn parse(message: &[u8], binding: Binding) -> Result<Self, Refused> {
        let message::ClientFirst { flag, header, bare, user, nonce } =
            message::ClientFirst::parse(message).map_err(malformed)?;
        let exporter = match (flag, binding) {
            (Flag::Unsupported, Binding::Unavailable | Binding::Offered)
            | (Flag::ServerDoesNot, Binding::Unavailable) => None,
            (Flag::ServerDoesNot, Binding::Offered) => {
                return Err(not_allowed(
                    "the client did not see that SCRAM-SHA-256-PLUS is offered: a downgrade",
                ));
            }
            (Flag::Bound("tls-exporter"), Binding::TlsExporter(exporter)) => Some(exporter),
            (Flag::Bound(_), Binding::TlsExporter(_)) => {
                return Err(not_allowed("a type of channel binding that is not known"));
            }
            (Flag::Bound(_), Binding::Unavailable | Binding::Offered) => {
                return Err(not_allowed("channel binding without SCRAM-SHA-256-PLUS"));
            }
            (Flag::Unsupported | Flag::ServerDoesNot, Binding::TlsExporter(_)) => {
                return Err(not_allowed("SCRAM-SHA-256-PLUS without channel binding"));
            }
        };
        let mut input = header.as_bytes().to_vec();
        input.extend(exporter.into_iter().flatten());
        Ok(Self {
            user,
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
            expected_binding: BASE64.encode(&input),
        })
    }

    /// Who it says to be, prepared (RFC 4013). Nothing is proven yet.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The challenge: `server-first-message`. Where the store has no such user, or none that may
    /// sign in like this, pass no keys: the exchange goes on, and fails at its end.
    pub fn challenge(
        self,
        keys: Option<&StoredKeys>,
        decoy: &Decoy,
        nonce: &Nonce,
    ) -> (AwaitingClientFinal, String) {
        let Self { user, nonce: client_nonce, bare, expected_binding } = self;
        // Made in any case, so that it takes the same time.
        let false_keys = decoy.keys(&user);
        let (keys, user_is) = match keys {
            Some(keys) => (keys.clone(), UserIs::Known),
            None => (false_keys, UserIs::Unknown),
        };
        let nonce = format!("{client_nonce}{}", nonce.0);
        let message =
            format!("r={nonce},s={},i={}", BASE64.encode(keys.salt()), keys.iterations().get());
        let signed = format!("{bare},{message},");
        (AwaitingClientFinal { user, user_is, keys, nonce, signed, expected_binding }, message)
    }
}

impl fmt::Debug for ClientFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user: _, nonce: _, bare: _, expected_binding: _ } = self;
        f.debug_struct("ClientFirst").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum UserIs {
    Known,
    Unknown,
}

/// The challenge was sent.
pub struct AwaitingClientFinal {
    user: Zeroizing<String>,
    user_is: UserIs,
    keys: StoredKeys,
    /// Both halves.
    nonce: String,
    /// `AuthMessage` as far as it is known, with its last comma.
    signed: String,
    expected_binding: String,
}

impl AwaitingClientFinal {
    /// Judges the final message. Whatever does not fit, be it the nonce, the binding, the password
    /// or the user, is `credentials_invalid`, and the reason says no more. A client that fails must
    /// begin anew: the challenge is spent.
    pub fn finish(self, message: &[u8]) -> Result<Authenticated, Refused> {
        let Self { user, user_is, keys, nonce, mut signed, expected_binding } = self;
        let message = message::ClientFinal::parse(message).map_err(malformed)?;
        let proof = exactly(message.proof).ok_or_else(|| malformed("the proof is not one"))?;
        signed.push_str(message.without_proof);
        let accepts = keys.accepts(signed.as_bytes(), &proof);
        let is_this_exchange = message.nonce == nonce && message.binding == expected_binding;
        match (accepts, user_is) {
            (Accepts::Yes, UserIs::Known) if is_this_exchange => {
                let signature = keys.server_signature(signed.as_bytes());
                let server_final = format!("v={}", BASE64.encode(&*signature));
                Ok(Authenticated { user, server_final })
            }
            (Accepts::Yes | Accepts::No, UserIs::Known | UserIs::Unknown) => Err(Refused::new(
                Rejection::CredentialsInvalid,
                "unknown user, wrong password, or not the proof of this exchange",
            )),
        }
    }
}

impl fmt::Debug for AwaitingClientFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user: _, user_is: _, keys: _, nonce: _, signed: _, expected_binding: _ } = self;
        f.debug_struct("AwaitingClientFinal").finish_non_exhaustive()
    }
}

/// Proof that the client knew the password of that user. Only [`AwaitingClientFinal::finish`] makes
/// it.
pub struct Authenticated {
    user: Zeroizing<String>,
    server_final: String,
}

impl Authenticated {
    /// Who it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// `server-final-message`, by which the client sees that the server knew the password too.
    pub fn server_final(&self) -> &str {
        &self.server_final
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, server_final: _ } = self;
        f.debug_struct("Authenticated").field("user", &user.as_str()).finish_non_exhaustive()
    }
}

fn malformed(reason: &str) -> Refused {
    Refused::new(Rejection::MalformedMessage, reason)
}

fn not_allowed(reason: &str) -> Refused {
    Refused::new(Rejection::MechanismNotAllowed, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::{Iterations, keys};

    #[test]
    fn the_false_keys_open_for_nobody_not_even_with_their_password() {
        let known = StoredKeys::derive("pencil", [7; 16], Iterations::MIN).unwrap();
        let decoy = Decoy::new([9; 32], Iterations::MIN);
        // Keys that fit the password, but whose user was not found.
        let first = ClientFirst::parse(b"n,,n=bob,r=abc", Binding::Unavailable).unwrap();
        let (server, message) = first.challenge(None, &decoy, &Nonce::new([2; 18]));
        let server = AwaitingClientFinal { keys: known.clone(), ..server };
        let nonce = message.split_once(',').unwrap().0;
        let signed = format!("n=bob,r=abc,{message},c=biws,{nonce}");
        let salted = keys::salted_password(
            "pencil",
            known.salt(),
            core::num::NonZeroU32::new(15_000).unwrap(),
        );
        let derived = keys::Derived::of(&salted);
        let proof = keys::xor(&derived.client, &keys::mac(&*derived.stored, signed.as_bytes()));
        let message = format!("c=biws,{nonce},p={}", BASE64.encode(&*proof));
        assert_eq!(
            server.finish(message.as_bytes()).unwrap_err().rejection,
            Rejection::CredentialsInvalid
        );
    }
}

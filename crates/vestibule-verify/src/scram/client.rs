//! The client's side. A server is no friend before it has shown that it knew the password.

use core::{fmt, num::NonZeroU32};

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{
    Nonce, TextFault, TlsExporter,
    keys::{Derived, Hash, decimal, exactly, mac, salted_password, xor},
    message::{ServerFinal, ServerFirst},
    prepared::prepared,
};
use crate::{limits, sasl};

/// What the client can do, and what the server said that it can. A wrong value here undoes the
/// protection against somebody who takes the better mechanism out of the list.
#[derive(Clone, Copy)]
pub enum ClientBinding {
    /// This client cannot bind channels, or has no TLS 1.3.
    Unsupported,
    /// It could, but `SCRAM-SHA-256-PLUS` was not among the mechanisms offered.
    ServerDoesNot,
    /// `SCRAM-SHA-256-PLUS` on the connection with that exporter.
    TlsExporter(TlsExporter),
}

impl fmt::Debug for ClientBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "Unsupported",
            Self::ServerDoesNot => "ServerDoesNot",
            Self::TlsExporter(_) => "TlsExporter",
        })
    }
}

/// The first message was made: the server's first is awaited.
pub struct Client {
    password: Zeroizing<String>,
    nonce: String,
    bare: String,
    /// The value of `c`.
    binding: String,
}

impl Client {
    /// Begins an exchange with `client-first-message`.
    pub fn begin(
        user: &str,
        password: &str,
        binding: ClientBinding,
        nonce: &Nonce,
    ) -> Result<(Self, String), ClientFault> {
        let user = prepared(user).map_err(ClientFault::User)?;
        let password = prepared(password).map_err(ClientFault::Password)?;
        let (header, exporter) = match binding {
            ClientBinding::Unsupported => ("n,,", None),
            ClientBinding::ServerDoesNot => ("y,,", None),
            ClientBinding::TlsExporter(exporter) => ("p=tls-exporter,,", Some(exporter)),
        };
        let bare = format!("n={},r={}", sasl::escaped(&user), nonce.0);
        let message = format!("{header}{bare}");
        let mut input = header.as_bytes().to_vec();
        input.extend(exporter.into_iter().flatten());
        let binding = BASE64.encode(&input);
        Ok((Self { password, nonce: nonce.0.clone(), bare, binding }, message))
    }

    /// Answers the challenge with `client-final-message`. Takes as long as the iterations say, so
    /// not for a thread that has other things to do; from 4096 to a million are done, lest a server
    /// learn the password too cheaply or keep this client busy.
    pub fn respond(self, challenge: &[u8]) -> Result<(AwaitingServerFinal, String), ClientFault> {
        let Self { password, nonce, bare, binding } = self;
        let challenge = ServerFirst::parse(challenge).map_err(ClientFault::Malformed)?;
        if challenge.nonce.strip_prefix(nonce.as_str()).is_none_or(str::is_empty) {
            return Err(ClientFault::Nonce);
        }
        let salt = BASE64
            .decode(challenge.salt.as_bytes())
            .map_err(|_| ClientFault::Malformed("the salt is not Base64"))?;
        let count = decimal(challenge.iterations)
            .and_then(NonZeroU32::new)
            .ok_or(ClientFault::Malformed("the iterations are no number"))?;
        if count < limits::SCRAM_ITERATIONS_TAKEN_MIN || count > limits::SCRAM_ITERATIONS_MAX {
            return Err(ClientFault::Iterations(count.get()));
        }
        let derived = Derived::of(&salted_password(&password, &salt, count));
        let without_proof = format!("c={binding},r={}", challenge.nonce);
        let signed = format!("{bare},{},{without_proof}", challenge.text);
        let proof = xor(&derived.client, &mac(&*derived.stored, signed.as_bytes()));
        let message = format!("{without_proof},p={}", BASE64.encode(&*proof));
        let expected = mac(&*derived.server, signed.as_bytes());
        Ok((AwaitingServerFinal { expected }, message))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { password: _, nonce: _, bare: _, binding: _ } = self;
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// The proof was sent.
pub struct AwaitingServerFinal {
    expected: Hash,
}

impl AwaitingServerFinal {
    /// The `server-final-message` of a server that knows the password, for those who judge elsewhere.
    /// Any other says that it does not, however alike it is.
    pub fn expected(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("v={}", BASE64.encode(&*self.expected)))
    }

    /// Judges `server-final-message`. Until then the server may be anybody, whatever else it says.
    pub fn finish(self, message: &[u8]) -> Result<ServerProven, ClientFault> {
        let Self { expected } = self;
        match ServerFinal::parse(message).map_err(ClientFault::Malformed)? {
            ServerFinal::Error => Err(ClientFault::Refused),
            ServerFinal::Signature(signature) => {
                let signature =
                    exactly::<32>(signature).ok_or(ClientFault::Malformed("no signature"))?;
                aws_lc_rs::constant_time::verify_slices_are_equal(&*signature, &*expected)
                    .map_err(|_| ClientFault::WrongServer)?;
                Ok(ServerProven(()))
            }
        }
    }
}

impl fmt::Debug for AwaitingServerFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected: _ } = self;
        f.debug_struct("AwaitingServerFinal").finish_non_exhaustive()
    }
}

/// Proof that the server knew the password. Only [`AwaitingServerFinal::finish`] makes it.
#[derive(Debug)]
pub struct ServerProven(());

/// Why a client breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// The name cannot be used.
    User(TextFault),
    /// The password cannot be used.
    Password(TextFault),
    /// The server's message is not one.
    Malformed(&'static str),
    /// The server's nonce does not go on from ours.
    Nonce,
    /// The server asks for that many iterations, too few or too many.
    Iterations(u32),
    /// The server said no.
    Refused,
    /// The server does not know the password: it is not the one it claims to be.
    WrongServer,
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(fault) => write!(f, "the user name cannot be used: {fault}"),
            Self::Password(fault) => write!(f, "the password cannot be used: {fault}"),
            Self::Malformed(what) => write!(f, "the server's message breaks RFC 5802: {what}"),
            Self::Nonce => f.write_str("the server's nonce does not go on from ours"),
            Self::Iterations(count) => write!(f, "the server asks for {count} iterations"),
            Self::Refused => f.write_str("the server refused"),
            Self::WrongServer => f.write_str("the server does not know the password"),
        }
    }
}

impl core::error::Error for ClientFault {}

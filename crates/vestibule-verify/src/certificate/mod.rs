//! Client certificates (RFC 5280): whom one names, and until when.
//!
//! Whether a certificate is genuine is judged where TLS is ended: its chain, its dates, what it may be
//! used for, whether its authority has withdrawn it, and that the client has its key. Of one that
//! passed, a [`Mapping`] makes a principal.
//!
//! Nothing is guessed. A mapping looks for one kind of name, of which the certificate must have
//! exactly one; the name must be allowed; and the certificate must not be over by now, because a
//! connection may have had it for long.
//!
//! ```no_run
//! use vestibule_core::time::UnixTime;
//! use vestibule_verify::certificate::{ClientCertificate, Mapping, Pattern, SubjectFrom, verify};
//!
//! # let der = [];
//! // Bytes of a certificate that TLS has verified.
//! let certificate = ClientCertificate::assertion(&der).unwrap();
//! let mapping = Mapping {
//!     name: "devices".into(),
//!     issuer: "devices".into(),
//!     subject_from: SubjectFrom::SanUri,
//!     allowed: Box::new([Pattern::parse("spiffe://example.com/device/*").unwrap()]),
//!     scopes: Box::new(["chat".into()]),
//!     groups: Box::default(),
//! };
//! let verified = verify([&mapping], &certificate, UnixTime::from_secs(1_800_000_000)).unwrap();
//! println!("{}", verified.principal().subject);
//! ```

mod fingerprint;
mod mapping;
mod pattern;
mod read;

#[cfg(test)]
mod tests;

use core::fmt;

use vestibule_core::{rejection::Rejection, time::UnixTime};

pub use self::{
    fingerprint::Fingerprint,
    mapping::{Mapping, verify},
    pattern::{Pattern, PatternFault},
};
use crate::{Refused, limits};

/// Where a certificate names its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectFrom {
    /// A DNS name of the subject alternative names, in lower case.
    SanDns,
    /// A URI of the subject alternative names, as it is; SPIFFE writes there.
    SanUri,
    /// A mail address of the subject alternative names, its domain in lower case.
    SanEmail,
    /// The common name of the subject, as it is.
    CommonName,
}

impl SubjectFrom {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::SanDns, Self::SanUri, Self::SanEmail, Self::CommonName];

    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SanDns => "san-dns",
            Self::SanUri => "san-uri",
            Self::SanEmail => "san-email",
            Self::CommonName => "common-name",
        }
    }

    /// What `*` in a pattern never stands for.
    const fn separator(self) -> Option<char> {
        match self {
            Self::SanDns => Some('.'),
            Self::SanUri => Some('/'),
            Self::SanEmail => Some('@'),
            Self::CommonName => None,
        }
    }
}

/// A client's certificate on a connection whose TLS has verified it.
pub struct ClientCertificate {
    fingerprint: Fingerprint,
    not_before: UnixTime,
    not_after: UnixTime,
    /// Every name of a kind that could be asked for. `None` is one that nobody can be called by; it
    /// is counted all the same.
    names: Vec<(SubjectFrom, Option<Box<str>>)>,
}

impl ClientCertificate {
    /// Reads the DER of a certificate. Vouches that TLS has verified it, and that the client has its
    /// key: a wrong call lets in whoever can write a certificate.
    pub fn assertion(der: &[u8]) -> Result<Self, Refused> {
        if der.len() > limits::CERTIFICATE_BYTES {
            return Err(malformed("the certificate is too long"));
        }
        let read::Contents { not_before, not_after, names } = read::contents(der)?;
        Ok(Self { fingerprint: Fingerprint::of(der), not_before, not_after, names })
    }

    /// What it is called by: the hash of all of it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// When it ends: the first moment at which it does not count any more.
    pub fn ends(&self) -> UnixTime {
        self.not_after
    }

    /// The one name of a kind.
    fn subject(&self, from: SubjectFrom) -> Result<&str, Refused> {
        let mut of_kind = self.names.iter().filter(|(kind, _)| *kind == from);
        let kind = from.name();
        match (of_kind.next(), of_kind.next()) {
            (Some((_, Some(name))), None) => Ok(name),
            (Some((_, None)), None) => {
                Err(nobody(format!("its {kind} is nothing that somebody can be called by")))
            }
            (None, _) => Err(nobody(format!("it has no {kind}"))),
            (Some(_), Some(_)) => Err(nobody(format!("it has more than one {kind}"))),
        }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fingerprint, not_before: _, not_after, names: _ } = self;
        f.debug_struct("ClientCertificate")
            .field("fingerprint", fingerprint)
            .field("not_after", not_after)
            .finish_non_exhaustive()
    }
}

fn malformed(reason: impl Into<String>) -> Refused {
    Refused::new(Rejection::CredentialsInvalid, reason)
}

fn nobody(reason: impl Into<String>) -> Refused {
    Refused::new(Rejection::CredentialsInvalid, reason)
}

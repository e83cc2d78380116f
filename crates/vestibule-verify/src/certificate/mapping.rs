//! From a certificate to somebody.

use std::sync::Arc;

use vestibule_core::{
    authn::{Mechanism, Principal, Verified, methods},
    rejection::Rejection,
    time::UnixTime,
};

use super::{ClientCertificate, Pattern, SubjectFrom, nobody};
use crate::{Refused, refused::shown};

/// Whom certificates name, and what those may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What routes and logs call it.
    pub name: Arc<str>,
    /// The issuer of its principals.
    pub issuer: Arc<str>,
    /// Where the subject is.
    pub subject_from: SubjectFrom,
    /// Which subjects count; none is nobody. A certificate whose name is no one of these is nobody's:
    /// an authority signs for others, too.
    pub allowed: Box<[Pattern]>,
    /// What its principals may do.
    pub scopes: Box<[Box<str>]>,
    /// Which groups they are in.
    pub groups: Box<[Box<str>]>,
}

/// Whose a certificate is, by the first of these that takes it. A wrong answer lets a stranger in.
///
/// The principal ends with the certificate, and its token id is the certificate's fingerprint in
/// hexadecimal.
pub fn verify<'m>(
    mappings: impl IntoIterator<Item = &'m Mapping>,
    certificate: &ClientCertificate,
    now: UnixTime,
) -> Result<Verified, Refused> {
    let mut said: Option<Refused> = None;
    for mapping in mappings {
        match mapping.principal(certificate, now) {
            Ok(principal) => return Ok(Verified::assertion(Arc::new(principal))),
            // What was wrong by the first one is what the operator is told.
            Err(refused) => said = said.or(Some(refused)),
        }
    }
    Err(said.unwrap_or_else(|| nobody("no certificate counts here")))
}

impl Mapping {
    fn principal(
        &self,
        certificate: &ClientCertificate,
        now: UnixTime,
    ) -> Result<Principal, Refused> {
        let Self { name, issuer, subject_from, allowed, scopes, groups } = self;
        let refused = |Refused { rejection, reason }: Refused| {
            Refused::new(rejection, format!("{}: {reason}", shown(name)))
        };
        let subject = certificate.subject(*subject_from).map_err(refused)?;
        if !allowed.iter().any(|pattern| pattern.covers(subject, *subject_from)) {
            return Err(refused(nobody(format!("{} is not among the allowed", shown(subject)))));
        }
        let ClientCertificate { fingerprint, not_before, not_after, names: _ } = certificate;
        if now < *not_before {
            let reason = "the certificate does not count yet";
            return Err(refused(Refused::new(Rejection::TokenNotYetValid, reason)));
        }
        // TLS has seen the dates when the connection was made, and that may be long ago.
        if now >= *not_after {
            let reason = "the certificate is over";
            return Err(refused(Refused::new(Rejection::TokenExpired, reason)));
        }
        let email = match subject_from {
            SubjectFrom::SanEmail => Some(subject.into()),
            SubjectFrom::SanDns | SubjectFrom::SanUri | SubjectFrom::CommonName => None,
        };
        Ok(Principal {
            subject: subject.into(),
            issuer: Arc::clone(issuer),
            scopes: scopes.clone(),
            token_id: Some(fingerprint.to_string().into()),
            session: None,
            email,
            name: None,
            groups: groups.clone(),
            mechanism: Mechanism::External,
            methods: methods::named(Mechanism::External.methods()),
            context: None,
            issued: Some(*not_before),
            expires: *not_after,
        })
    }
}

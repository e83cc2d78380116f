//! Whether a credential is genuine, and whose it is: asked of those who know.

use std::{net::IpAddr, sync::Arc};

use tokio::time::{timeout, timeout_at};
use vestibule_authority::{
    Door, Scene, Standing,
    proofs::{Pending, Site},
    sessions::Granted,
};
use vestibule_core::{
    authn::{
        Asked, Credential, Finding, Judge, Mechanism, Proof, Question, Response, Verdict, Verified,
    },
    limits,
    rejection::Rejection,
    time::{Mono, Now, UnixTime},
};
use vestibule_verify::{
    Refused,
    certificate::{self, ClientCertificate},
    jwt::{CertificateHash, Holder},
};

use super::{Seen, Worker};
use crate::config::{Route, Sessions};

/// The answer to a question, and what came with it.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub verdict: Verdict,
    /// The session token that replaces the one that was asked about.
    pub rotated: Option<Granted>,
    /// What is kept of the credential, where its issuer is asked about it again.
    pub standing: Option<Box<Standing>>,
}

/// What a session token is asked about for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new connection, whose client will be told: a route may replace the token.
    Admission,
    /// Something else: the token stays what it is.
    Other,
}

/// What surrounds a question.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Who asks.
    pub seen: &'a Seen<'a>,
    /// The rules for it.
    pub route: &'a Route,
    /// When the answer must be there.
    pub deadline: Mono,
    /// What for.
    pub purpose: Purpose,
    /// What a client that can be asked back signs; `None` where it cannot.
    pub scene: Option<Scene<'a>>,
    /// The certificate that the client itself has shown, and TLS has verified; `None` has shown none.
    pub certificate: Option<&'a [u8]>,
    /// The same one's hash, which is kept longer: to it a token may be bound.
    pub shown: Option<CertificateHash>,
}

/// What surrounds a credential that is not of a handshake.
#[derive(Clone, Copy, Debug)]
pub struct Bringing<'a> {
    /// The page that brings it, as it calls itself.
    pub origin: Option<&'a str>,
    /// Who brings it.
    pub peer: IpAddr,
    /// What a proof must be for.
    pub site: Site<'a>,
    /// The certificate that was shown, to which a token may be bound.
    pub shown: Option<CertificateHash>,
}

/// What counts beside a credential.
#[derive(Clone, Copy, Debug)]
struct Beside<'a> {
    /// The page that brings it.
    origin: Option<&'a str>,
    /// What a proof must be for; `None` where none comes with it.
    site: Option<&'a Site<'a>>,
    /// The certificate that was shown.
    shown: Option<CertificateHash>,
}

type Known = Result<(Verified, Option<Granted>), Refused>;
type Found = Result<(Finding, Option<Granted>), Refused>;

impl Worker {
    /// What can be said at once, without a wait; `None` where it cannot.
    pub fn known(
        &self,
        credential: &Credential,
        route: &Route,
        shown: Option<CertificateHash>,
        wall: UnixTime,
    ) -> Option<Result<Verified, Refused>> {
        match (credential.mechanism.judge(), credential.mechanism.proof()) {
            (Judge::Issuer, Proof::Token) => {
                let holder = holder(shown);
                self.shared.authority.check_now_held(credential, &holder, &route.issuers, wall)
            }
            // What was proven before must be remembered elsewhere.
            (Judge::Issuer, Proof::Response | Proof::Connection)
            | (Judge::Store | Judge::Transport, _) => None,
        }
    }

    /// Has a question answered: at once where that is possible, else within the time
    /// there is.
    pub async fn answer(&self, question: Question, asking: Asking<'_>) -> Answered {
        let Asking { seen, route, deadline, certificate, shown, .. } = asking;
        let began = self.shared.clock.now();
        let wall = began.wall;
        let (asker, asked) = question.split();
        let (known, mechanism) = match &asked {
            Asked::Credential(credential) => match credential.mechanism.judge() {
                Judge::Transport => {
                    let known = self.by_certificate(certificate, route, wall);
                    (Some(known), credential.mechanism)
                }
                Judge::Issuer | Judge::Store => {
                    (self.known(credential, route, shown, wall), credential.mechanism)
                }
            },
            Asked::Response(_, Response::Message(_)) => (None, Mechanism::ScramSha256),
            Asked::Response(_, Response::Signature(_) | Response::SshSig(_)) => {
                (None, Mechanism::PublicKey)
            }
            Asked::Response(_, Response::Assertion(_)) => (None, Mechanism::Webauthn),
            Asked::Response(_, Response::Proof(_)) => (None, Mechanism::Dpop),
        };
        let found: Found = if let Some(known) = known {
            known.map(|verified| (Finding::from(verified), None))
        } else {
            let find = self.find(asked, asking);
            timeout_at(self.instant(deadline), find).await.unwrap_or_else(|_| Err(late()))
        };
        let (result, rotated) = match found {
            Ok((finding, rotated)) => (Ok(finding), rotated),
            Err(refused) => (Err(self.doubted(route, seen.peer, refused)), None),
        };
        match &result {
            // Of a response it is known only now which of two it was.
            Ok(Finding::Genuine(verified, _)) if mechanism == Mechanism::ScramSha256 => {
                self.checked(verified.principal().mechanism, None, began);
            }
            Ok(Finding::Genuine(_, _)) => self.checked(mechanism, None, began),
            Err(rejection) => self.checked(mechanism, Some(*rejection), began),
            // Half of the way.
            Ok(Finding::Challenged(_)) => {}
        }
        let standing = match &result {
            Ok(Finding::Genuine(verified, _)) => self.standing(verified).map(Box::new),
            Ok(Finding::Challenged(_)) | Err(_) => None,
        };
        let verdict = asker.answer(result);
        let verdict = verdict.unless_revoked(|principal| self.shared.is_revoked(principal));
        Answered { verdict, rotated, standing }
    }

    /// What is to be kept of the token by which somebody was let in, so that its issuer can be asked
    /// about it again; `None` where it does not have to be.
    pub fn standing(&self, verified: &Verified) -> Option<Standing> {
        self.shared.authority.standing(verified)
    }

    /// Counts a credential that was checked.
    pub fn checked(&self, mechanism: Mechanism, refused: Option<Rejection>, began: Now) {
        let span = began.mono.until(self.shared.clock.now().mono);
        self.shared.metrics.checked(mechanism, refused.map_or(Ok(()), Err), span);
    }

    /// What can be found out with a wait.
    async fn find(&self, asked: Asked, asking: Asking<'_>) -> Found {
        let Asking { seen, route, deadline: _, purpose, scene, certificate: _, shown } = asking;
        let site = scene.as_ref().map(Site::of);
        let credential = match (asked, &site) {
            // The proof of a token that is bound to a key came with it, or is asked for.
            (Asked::Credential(credential), Some(site))
                if credential.mechanism == Mechanism::Dpop =>
            {
                let finding = match credential.proof {
                    Some(_) => self.proven(&credential, route, site).await?.into(),
                    None => Finding::Challenged(Self::challenged(&credential)?),
                };
                return Ok((finding, None));
            }
            (Asked::Response(exchange, response), Some(site))
                if exchange.state::<Pending>().is_some() =>
            {
                let verified = self.answered(exchange, &response, route, site).await?;
                return Ok((verified.into(), None));
            }
            (Asked::Credential(credential), _) => credential,
            (Asked::Response(exchange, response), _) => {
                let (Some(identities), Some(scene)) = (&self.shared.kept.identities, scene) else {
                    return Err(Refused::new(Rejection::Internal, "nobody was asked back"));
                };
                let now = self.shared.clock.now().wall;
                let door = door(route, seen.origin);
                let found = identities.respond(exchange, &response, (&door, scene.peer), now).await;
                return Ok((found?, None));
            }
        };
        match (credential.mechanism.proof(), &self.shared.kept.identities, &scene) {
            (Proof::Response, Some(identities), Some(scene)) => {
                let now = self.shared.clock.now().wall;
                let challenge = identities.challenge(&credential, scene, now).await?;
                Ok((Finding::Challenged(challenge), None))
            }
            (Proof::Token | Proof::Response | Proof::Connection, _, _) => {
                let beside = Beside { origin: seen.origin, site: None, shown };
                let (verified, rotated) = self.check(&credential, route, beside, purpose).await?;
                Ok((Finding::from(verified), rotated))
            }
        }
    }

    /// Checks a credential that is not of a handshake, within the time for one.
    pub async fn verify(
        &self,
        credential: &Credential,
        route: &Route,
        bringing: &Bringing<'_>,
    ) -> Result<Verified, Rejection> {
        let Bringing { origin, peer, site, shown } = *bringing;
        let began = self.shared.clock.now();
        let beside = Beside { origin, site: Some(&site), shown };
        let check = self.check(credential, route, beside, Purpose::Other);
        let known = timeout(limits::AUTH_DEADLINE, check).await.unwrap_or_else(|_| Err(late()));
        let result = known.map(|(verified, _)| verified);
        let result = result.map_err(|refused| self.doubted(route, peer, refused));
        self.checked(credential.mechanism, result.as_ref().err().copied(), began);
        result
    }

    /// The same for a credential of which nobody has said for which route it is: the first one that
    /// takes it will do. All of it together has the time for one check, is counted once, and a token
    /// is verified once for each set of issuers, however many routes there are.
    pub async fn verify_anywhere(
        &self,
        credential: &Credential,
        bringing: &Bringing<'_>,
    ) -> Result<Verified, Rejection> {
        let Bringing { origin: _, peer, site, shown } = *bringing;
        let began = self.shared.clock.now();
        let beside = Beside { origin: None, site: Some(&site), shown };
        let asked = timeout(limits::AUTH_DEADLINE, self.check_anywhere(credential, beside)).await;
        let result = match asked.unwrap_or_else(|_| Err((None, late()))) {
            Ok(verified) => Ok(verified),
            Err((Some(route), refused)) => Err(self.doubted(route, peer, refused)),
            Err((None, refused)) => Err(refused.rejection),
        };
        self.checked(credential.mechanism, result.as_ref().err().copied(), began);
        result
    }

    async fn check_anywhere(
        &self,
        credential: &Credential,
        beside: Beside<'_>,
    ) -> Result<Verified, (Option<&Route>, Refused)> {
        let none = Refused::new(Rejection::MechanismNotAllowed, "no route takes it");
        let mut said = (None, none);
        for route in different(&self.shared.config.routes, credential.mechanism) {
            match self.check(credential, route, beside, Purpose::Other).await {
                Ok((verified, _)) => return Ok(verified),
                Err(refused) => said = (Some(route), refused),
            }
        }
        Err(said)
    }

    async fn check(
        &self,
        credential: &Credential,
        route: &Route,
        beside: Beside<'_>,
        purpose: Purpose,
    ) -> Known {
        let Beside { origin, site, shown } = beside;
        if let (Mechanism::Dpop, Some(site)) = (credential.mechanism, site) {
            return Ok((self.proven(credential, route, site).await?, None));
        }
        let clock = self.shared.clock;
        let door = door(route, origin);
        let (Some(identities), now) = (&self.shared.kept.identities, clock.now().wall) else {
            return Ok((self.by_issuer(credential, route, shown).await?, None));
        };
        let judge = credential.mechanism.judge();
        match (credential.mechanism, purpose, route.sessions) {
            _ if judge == Judge::Issuer => {
                Ok((self.by_issuer(credential, route, shown).await?, None))
            }
            (Mechanism::Session, Purpose::Admission, Sessions::Rotate) => {
                let rotated = identities.rotate(&credential.secret, &door, now).await;
                rotated.map(|(verified, granted)| (verified, Some(granted)))
            }
            (_, Purpose::Admission | Purpose::Other, _) => {
                Ok((identities.check(credential, &door, now).await?, None))
            }
        }
    }

    /// Whose the certificate of a connection is.
    fn by_certificate(
        &self,
        der: Option<&[u8]>,
        route: &Route,
        wall: UnixTime,
    ) -> Result<Verified, Refused> {
        let none = || Refused::new(Rejection::CredentialRequired, "no certificate was shown");
        let certificate = ClientCertificate::assertion(der.ok_or_else(none)?)?;
        let all = &self.shared.config.certificates;
        let mappings = route.certificates.iter().filter_map(|&at| all.get(at));
        certificate::verify(mappings, &certificate, wall)
    }

    async fn by_issuer(
        &self,
        credential: &Credential,
        route: &Route,
        shown: Option<CertificateHash>,
    ) -> Result<Verified, Refused> {
        let clock = self.shared.clock;
        let wall = || clock.now().wall;
        let holder = holder(shown);
        self.shared.authority.check_held(credential, &holder, &route.issuers, wall).await
    }
}

/// The routes that may say different things about a credential of that mechanism.
fn different(routes: &[Arc<Route>], mechanism: Mechanism) -> Vec<&Route> {
    let mut different: Vec<&Route> = Vec::new();
    for route in routes {
        let is_known = different.iter().any(|known| match (mechanism.judge(), mechanism) {
            (Judge::Issuer, _) | (Judge::Store, Mechanism::ApiKey) => {
                known.issuers == route.issuers
            }
            (Judge::Store | Judge::Transport, _) => known.binding == route.binding,
        });
        if !is_known {
            different.push(route);
        }
    }
    different
}

/// What is shown beside a token.
fn holder(shown: Option<CertificateHash>) -> Holder {
    shown.map_or(Holder::BEARER, Holder::with_certificate)
}

fn door<'a>(route: &'a Route, origin: Option<&'a str>) -> Door<'a> {
    Door { route: &route.binding, origin, issuers: &route.issuer_names }
}

fn late() -> Refused {
    Refused::new(Rejection::Unavailable, "not answered in time")
}

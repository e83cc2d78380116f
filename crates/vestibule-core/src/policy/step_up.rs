//! A second proof that a route, or an operator, asks for once somebody is in.

use core::{fmt, time::Duration};

use super::Assurance;
use crate::{
    authn::{Mechanism, Principal},
    limits,
};

/// A second proof of the same identity, on a connection that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUp {
    mechanisms: Box<[Mechanism]>,
    within: Duration,
    assurance: Assurance,
}

/// Why something is no step-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepUpFault {
    /// No mechanism could answer it.
    NoMechanism,
    /// A mechanism stands twice.
    Twice(Mechanism),
    /// What the client has already would answer it: a ticket or a session token proves what bought it
    /// once more, the certificate of a connection was there from the beginning, and the access token
    /// that it came by is as good as it was, unless more is demanded of it.
    Repeats(Mechanism),
    /// The time for it is too short or too long.
    Span,
}

impl StepUp {
    /// By one of these mechanisms, in this order of preference, within this time; and known as well
    /// as this by it.
    pub fn new(
        mechanisms: impl Into<Box<[Mechanism]>>,
        within: Duration,
        assurance: Assurance,
    ) -> Result<Self, StepUpFault> {
        let mechanisms = mechanisms.into();
        if mechanisms.is_empty() {
            return Err(StepUpFault::NoMechanism);
        }
        for (place, &mechanism) in mechanisms.iter().enumerate() {
            if mechanisms.iter().take(place).any(|&before| before == mechanism) {
                return Err(StepUpFault::Twice(mechanism));
            }
            match mechanism {
                Mechanism::Ticket | Mechanism::Session | Mechanism::External => {
                    return Err(StepUpFault::Repeats(mechanism));
                }
                Mechanism::Bearer | Mechanism::OauthBearer if assurance.is_empty() => {
                    return Err(StepUpFault::Repeats(mechanism));
                }
                Mechanism::Bearer
                | Mechanism::OauthBearer
                | Mechanism::ApiKey
                | Mechanism::PublicKey
                | Mechanism::ScramSha256
                | Mechanism::ScramSha256Plus
                | Mechanism::Webauthn
                | Mechanism::Dpop => {}
            }
        }
        if !(limits::STEP_UP_SHORTEST..=limits::STEP_UP_LONGEST).contains(&within) {
            return Err(StepUpFault::Span);
        }
        Ok(Self { mechanisms, within, assurance })
    }

    /// Whether who came in like this has shown it already.
    pub fn is_met_by(&self, principal: &Principal) -> bool {
        self.mechanisms.contains(&principal.mechanism) && self.assurance.check(principal).is_ok()
    }

    /// What can answer it, in order of preference; at least one.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.mechanisms
    }

    /// How long there is for it, in time of the connection.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// How well somebody must be known by it.
    pub fn assurance(&self) -> &Assurance {
        &self.assurance
    }
}

impl fmt::Display for StepUpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMechanism => f.write_str("a step-up needs a mechanism"),
            Self::Twice(mechanism) => write!(f, "`{}` is there twice", mechanism.name()),
            Self::Repeats(mechanism) => {
                let name = mechanism.name();
                write!(f, "`{name}` proves nothing that the connection has not shown already")
            }
            Self::Span => write!(
                f,
                "a step-up has from {} to {} seconds",
                limits::STEP_UP_SHORTEST.as_secs(),
                limits::STEP_UP_LONGEST.as_secs()
            ),
        }
    }
}

impl core::error::Error for StepUpFault {}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn check(mechanisms: &[Mechanism], within: Duration, expected: Result<(), StepUpFault>) {
        let made = StepUp::new(mechanisms, within, Assurance::default());
        assert_eq!(made.map(|_| ()), expected, "{mechanisms:?}");
    }

    #[test]
    fn what_the_client_has_already_is_no_second_proof() {
        check(&[Mechanism::PublicKey, Mechanism::Webauthn], MINUTE, Ok(()));
        for repeats in [
            Mechanism::Ticket,
            Mechanism::Session,
            Mechanism::External,
            Mechanism::Bearer,
            Mechanism::OauthBearer,
        ] {
            let expected = Err(StepUpFault::Repeats(repeats));
            check(&[Mechanism::PublicKey, repeats], MINUTE, expected);
        }
        let more = Assurance { contexts: Box::new(["gold".into()]), methods: Box::default() };
        assert!(StepUp::new([Mechanism::Bearer], MINUTE, more).is_ok());
    }

    #[test]
    fn a_step_up_names_mechanisms_once_and_has_an_end() {
        check(&[], MINUTE, Err(StepUpFault::NoMechanism));
        let twice = [Mechanism::PublicKey, Mechanism::PublicKey];
        check(&twice, MINUTE, Err(StepUpFault::Twice(Mechanism::PublicKey)));
        check(&[Mechanism::PublicKey], Duration::ZERO, Err(StepUpFault::Span));
        check(&[Mechanism::PublicKey], Duration::MAX, Err(StepUpFault::Span));
    }
}

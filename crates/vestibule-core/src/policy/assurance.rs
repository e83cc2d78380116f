//! How well somebody must be known beyond a credential that is good.

use crate::{authn::Principal, rejection::Rejection};

/// What the authentication behind a credential must have been. The default demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assurance {
    /// One of these must be its context class (`acr`); empty takes any, and none.
    pub contexts: Box<[Box<str>]>,
    /// One of these must be among its methods (`amr`); empty takes any, and none.
    pub methods: Box<[Box<str>]>,
}

impl Assurance {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty() && self.methods.is_empty()
    }

    /// Whether a principal is known well enough. Values are compared as they are: RFC 9470 gives
    /// them no order, so that a higher one counts only where it is listed.
    pub fn check(&self, principal: &Principal) -> Result<(), Rejection> {
        let Self { contexts, methods } = self;
        let has_context = contexts.is_empty()
            || principal.context.as_ref().is_some_and(|it| contexts.contains(it));
        let has_method =
            methods.is_empty() || principal.methods.iter().any(|it| methods.contains(it));
        if has_context && has_method { Ok(()) } else { Err(Rejection::InsufficientAuthentication) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{authn::methods::named, handshake::tests::verified};

    fn check(wanted: (&[&str], &[&str]), is: (Option<&str>, &[&str]), expected: &str) {
        let assurance = Assurance { contexts: named(wanted.0), methods: named(wanted.1) };
        let principal = Principal {
            context: is.0.map(Into::into),
            methods: named(is.1),
            ..Principal::clone(verified("alice", 100).principal())
        };
        let said = match assurance.check(&principal) {
            Ok(()) => "enough",
            Err(rejection) => rejection.label(),
        };
        assert_eq!(said, expected, "{wanted:?} {is:?}");
    }

    #[test]
    fn one_of_the_contexts_and_one_of_the_methods_must_be_there() {
        let no = "insufficient_authentication";
        check((&[], &[]), (None, &[]), "enough");
        check((&["gold", "silver"], &[]), (Some("silver"), &[]), "enough");
        check((&["gold"], &[]), (Some("golden"), &[]), no);
        check((&["gold"], &[]), (Some("Gold"), &[]), no);
        check((&["gold"], &[]), (None, &["gold"]), no);
        check((&[], &["mfa", "hwk"]), (None, &["pwd", "hwk"]), "enough");
        check((&[], &["mfa"]), (Some("mfa"), &["pwd", "otp"]), no);
        check((&["gold"], &["mfa"]), (Some("gold"), &["pwd"]), no);
        check((&["gold"], &["mfa"]), (Some("gold"), &["mfa"]), "enough");
    }
}

//! By what somebody was authenticated, in the names of RFC 8176 (`amr`), and what several proofs add
//! up to.

use std::sync::Arc;

use super::{Mechanism, Principal};

/// More than one factor (RFC 8176 section 2).
pub const MULTIPLE: &str = "mfa";
/// A password.
pub const PASSWORD: &str = "pwd";
/// The possession of a key was shown, wherever it is kept.
pub const KEY: &str = "pop";
/// A key that software guards.
pub const SOFTWARE_KEY: &str = "swk";
/// A key that hardware guards, and does not give away.
pub const HARDWARE_KEY: &str = "hwk";
/// Somebody was there.
pub const PRESENCE: &str = "user";

/// What kind of thing a method shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Factor {
    /// Something that is known.
    Knowledge,
    /// Something that is had.
    Possession,
    /// Something that somebody is.
    Inherence,
}

impl Factor {
    /// Of a method of RFC 8176 section 2; `None` for those that say something else than who it is (a
    /// place, a risk, a presence), and for names that the registry does not have: whoever makes names
    /// up does not make a second factor with them.
    fn of(method: &str) -> Option<Self> {
        match method {
            "pwd" | "pin" | "kba" => Some(Self::Knowledge),
            "pop" | "hwk" | "swk" | "otp" | "sc" | "sms" | "tel" => Some(Self::Possession),
            "face" | "fpt" | "iris" | "retina" | "vbm" => Some(Self::Inherence),
            _ => None,
        }
    }
}

impl Mechanism {
    /// What is known of a proof by this mechanism before it is looked at: the least that it shows.
    ///
    /// - A key signs: that is possession, and software is the least that keeps it. A key that sits in
    ///   hardware says so nowhere in an SSH or JWK registration.
    /// - SCRAM shows a password, and nothing else.
    /// - A certificate shows its key.
    /// - A passkey says itself what it is: see [`passkey`].
    /// - An API key is a secret that a machine holds. RFC 8176 has no name for that, and none is made
    ///   up: it is nobody's authentication.
    /// - Tokens, tickets and sessions rest on what they were issued for, and say that themselves.
    pub const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::PublicKey => &[KEY, SOFTWARE_KEY],
            Self::ScramSha256 | Self::ScramSha256Plus => &[PASSWORD],
            Self::External => &[KEY],
            Self::Bearer
            | Self::Ticket
            | Self::Session
            | Self::ApiKey
            | Self::Webauthn
            | Self::Dpop
            | Self::OauthBearer => &[],
        }
    }
}

/// Where the key of a passkey is, as far as its flags tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// It cannot leave its authenticator (BE is 0): as good as hardware.
    Device,
    /// It is copied between devices (BE is 1).
    Synced,
}

/// Whether the authenticator asked for more than a touch (UV).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// A touch.
    Presence,
    /// A PIN, a finger, a face: which one, it does not say, and so neither do we. The key and that
    /// are two factors.
    Verified,
}

/// What the assertion of a passkey shows.
pub const fn passkey(custody: Custody, verification: Verification) -> &'static [&'static str] {
    match (custody, verification) {
        (Custody::Device, Verification::Presence) => &[HARDWARE_KEY, PRESENCE],
        (Custody::Device, Verification::Verified) => &[HARDWARE_KEY, PRESENCE, MULTIPLE],
        (Custody::Synced, Verification::Presence) => &[SOFTWARE_KEY, PRESENCE],
        (Custody::Synced, Verification::Verified) => &[SOFTWARE_KEY, PRESENCE, MULTIPLE],
    }
}

/// The names as a principal keeps them.
pub fn named(methods: &[&str]) -> Box<[Box<str>]> {
    methods.iter().map(|&method| method.into()).collect()
}

/// What two proofs of the same identity show together: the methods of both, and `mfa` where they are
/// of two kinds. Two passwords, or two keys, are not two factors.
fn joined(one: &[Box<str>], other: &[Box<str>]) -> Box<[Box<str>]> {
    let mut all = one.to_vec();
    for method in other {
        if !all.contains(method) {
            all.push(method.clone());
        }
    }
    let mut factors = all.iter().filter_map(|method| Factor::of(method));
    let first = factors.next();
    let is_multiple = factors.any(|factor| Some(factor) != first);
    if is_multiple && !all.iter().any(|method| &**method == MULTIPLE) {
        all.push(MULTIPLE.into());
    }
    all.into()
}

impl Principal {
    /// The same, with what a second proof of the same identity adds: its methods, and its context
    /// where it has one. Nothing else of it counts: neither its scopes, nor its end.
    #[must_use]
    pub fn raised(self: &Arc<Self>, by: &Self) -> Arc<Self> {
        let methods = joined(&self.methods, &by.methods);
        let context = by.context.clone().or_else(|| self.context.clone());
        Arc::new(Self { methods, context, ..Self::clone(self) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &[&str], other: &[&str], expected: &[&str]) {
        let joined = joined(&named(one), &named(other));
        assert_eq!(joined.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), expected);
    }

    #[test]
    fn two_kinds_of_factor_are_multiple_and_two_of_one_kind_are_not() {
        check(&["pwd"], &["pop", "swk"], &["pwd", "pop", "swk", "mfa"]);
        check(&["pwd"], &["pwd"], &["pwd"]);
        check(&["pwd", "pin"], &["kba"], &["pwd", "pin", "kba"]);
        check(&["otp"], &["hwk", "user"], &["otp", "hwk", "user"]);
        check(&["hwk"], &["fpt"], &["hwk", "fpt", "mfa"]);
        check(&["pwd", "otp", "mfa"], &["swk"], &["pwd", "otp", "mfa", "swk"]);
        check(&[], &["pop"], &["pop"]);
        check(&[], &[], &[]);
    }

    #[test]
    fn a_name_that_is_not_registered_is_kept_and_is_no_factor() {
        check(&["pwd"], &["magic", "geo", "rba"], &["pwd", "magic", "geo", "rba"]);
    }
}

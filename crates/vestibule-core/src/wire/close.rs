//! Close frames (RFC 6455 sections 5.5.1 and 7.4).

use core::{fmt, str, time::Duration};

use crate::{limits, rejection::Rejection};

/// A close code and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: String,
}

impl Close {
    /// The answer to a rejection: its code, its error name, and when to come back where that is
    /// known.
    pub fn of(rejection: Rejection, retry_after: Option<Duration>) -> Self {
        let answer = rejection.answer();
        let reason = match retry_after {
            None => answer.error.to_owned(),
            Some(span) => format!("{}; retry-after={}", answer.error, span.as_secs().max(1)),
        };
        Self { code: answer.code, reason }
    }

    /// With the code that a route has for this one.
    #[must_use]
    pub fn mapped(self, codes: &CloseCodes) -> Self {
        Self { code: codes.get(self.code), reason: self.reason }
    }

    /// With a code that a peer may send, and no reason.
    pub fn with_code(code: u16) -> Option<Self> {
        is_sendable(code).then_some(Self { code, reason: String::new() })
    }

    /// The code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The payload of the frame, within its bound.
    pub fn payload(&self) -> Vec<u8> {
        let mut bytes = self.code.to_be_bytes().to_vec();
        let mut end = self.reason.len().min(limits::CLOSE_REASON_BYTES);
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        bytes.extend_from_slice(self.reason.get(..end).unwrap_or_default().as_bytes());
        bytes
    }

    /// Reads a payload: `None` where it is empty, which is legal and says nothing.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, Rejection> {
        match payload {
            [] => Ok(None),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let reason = str::from_utf8(reason).map_err(|_| Rejection::FrameMalformed)?;
                if !is_sendable(code) {
                    return Err(Rejection::FrameMalformed);
                }
                Ok(Some(Self { code, reason: reason.to_owned() }))
            }
            [_] => Err(Rejection::FrameMalformed),
        }
    }
}

/// Other codes for those of the table, for clients that know others: those of an existing protocol,
/// or the registered ones (3000, 3003, 3008).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseCodes(Box<[(u16, u16)]>);

/// Why a close code cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCodeFault {
    /// The gateway never closes with this code.
    Unused(u16),
    /// It is mapped already.
    Twice(u16),
    /// No server may send this code.
    NotSendable(u16),
}

impl CloseCodes {
    /// Sends `to` where `from` would be sent.
    pub fn with(self, from: u16, to: u16) -> Result<Self, CloseCodeFault> {
        if !Rejection::ALL.iter().any(|rejection| rejection.answer().code == from) {
            return Err(CloseCodeFault::Unused(from));
        }
        if self.0.iter().any(|(other, _)| *other == from) {
            return Err(CloseCodeFault::Twice(from));
        }
        // 1010 is a client's alone.
        if !is_sendable(to) || to == 1010 {
            return Err(CloseCodeFault::NotSendable(to));
        }
        Ok(Self(self.0.into_iter().chain([(from, to)]).collect()))
    }

    /// The code to send.
    pub fn get(&self, code: u16) -> u16 {
        self.0.iter().find(|(from, _)| *from == code).map_or(code, |(_, to)| *to)
    }
}

impl fmt::Display for CloseCodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unused(code) => write!(f, "no connection is ever closed with {code}"),
            Self::Twice(code) => write!(f, "{code} is mapped twice"),
            Self::NotSendable(code) => {
                write!(f, "a server cannot close with {code}: use 1000 to 1014 or 3000 to 4999")
            }
        }
    }
}

impl core::error::Error for CloseCodeFault {}

/// Whether a code may stand in a frame (RFC 6455 section 7.4 and the registry of section 11.7).
fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What a close code means, for people.
pub fn describe(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "the server or the page is going away",
        1002 => "protocol error",
        1003 => "a kind of data that the endpoint does not take",
        1005 => "closed without a code",
        1006 => "closed without a closing handshake",
        1007 => "data that does not fit its type",
        1008 => "against the endpoint's policy",
        1009 => "a message that is too big",
        1010 => "an extension is missing",
        1011 => "the server failed",
        1012 => "the server restarts",
        1013 => "try again later: a key set or store cannot answer",
        1014 => "the upstream cannot be reached or gave a wrong answer",
        1015 => "TLS failed",
        3000 => "unauthorized",
        3003 => "forbidden",
        3008 => "timeout",
        4400 => "malformed: a bug in the client",
        4401 => "the credential is missing, invalid or expired: get a new one and reconnect",
        4403 => "not allowed: origin, scope, mechanism or identity",
        4404 => "no such route",
        4408 => "authentication took too long: reconnect with back-off",
        4410 => "revoked or logged out: sign in again",
        4429 => "too many attempts or connections: reconnect with long back-off",
        _ => "a code of the application",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_can_be_said_in_a_close_frame() {
        for &rejection in Rejection::ALL {
            let close = Close::of(rejection, Some(Duration::from_secs(u64::MAX)));
            assert!(close.payload().len() <= 125);
            assert_eq!(Close::parse(&close.payload()), Ok(Some(close)));
        }
    }

    #[test]
    fn when_to_come_back_stands_behind_the_name() {
        let close = Close::of(Rejection::TooManyAttempts, Some(Duration::from_secs(9)));
        assert_eq!(close.reason(), "too_many_attempts; retry-after=9");
    }

    #[test]
    fn a_route_may_have_other_codes() {
        let codes = CloseCodes::default().with(4401, 3000).unwrap().with(4403, 3003).unwrap();
        let close = |rejection| Close::of(rejection, None).mapped(&codes);
        assert_eq!(close(Rejection::TokenExpired).code(), 3000);
        assert_eq!(close(Rejection::TokenExpired).reason(), "token_expired");
        assert_eq!(close(Rejection::AuthTimeout).code(), 4408);
        assert_eq!(codes.clone().with(4401, 3000), Err(CloseCodeFault::Twice(4401)));
        assert_eq!(codes.clone().with(4402, 3000), Err(CloseCodeFault::Unused(4402)));
        for bad in [0, 999, 1005, 1006, 1010, 1015, 2999, 5000] {
            assert_eq!(codes.clone().with(4410, bad), Err(CloseCodeFault::NotSendable(bad)));
        }
    }

    #[test]
    fn codes_that_nobody_may_send_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert!(Close::parse(&code.to_be_bytes()).is_err(), "{code}");
        }
        assert!(Close::parse(&[3]).is_err());
        assert!(Close::parse(&[3, 232, 0xff]).is_err());
        assert_eq!(Close::parse(&[]), Ok(None));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let close = Close { code: 1000, reason: "é".repeat(100) };
        assert_eq!(close.payload().len(), 2 + 122);
    }
}

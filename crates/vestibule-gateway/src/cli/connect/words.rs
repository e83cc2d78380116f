//! What a server says, in words for people.

use http::{HeaderName, StatusCode, header};
use serde_json::Value;
use vestibule_client::{handshake::Refusal, machine::Demand};
use vestibule_core::{authn::message::PREFIX, wire::close};

use super::Outcome;

/// A message of the gateway to its client (`docs/protocol.md`, "In-band messages").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InBand {
    Required { mechanisms: String, timeout: u64 },
    Challenge(Demand),
    Accepted { subject: String, mechanism: String, expires_in: u64, message: Option<String> },
    Expiring { expires_in: u64 },
    Rejected { error: String, retry: Retry },
}

/// Whether another credential may be presented on the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Yes,
    No,
}

impl InBand {
    /// `None`: a message of the application.
    pub(super) fn read(text: &str) -> Option<Self> {
        if !text.as_bytes().starts_with(PREFIX) {
            return None;
        }
        let message: Value = serde_json::from_str(text).ok()?;
        let auth = message.get("auth")?;
        let string = |name| auth.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name| auth.get(name).and_then(Value::as_u64);
        match auth.get("type")?.as_str()? {
            "required" => {
                let mechanisms = auth.get("mechanisms")?.as_array()?;
                let names: Vec<&str> = mechanisms.iter().filter_map(Value::as_str).collect();
                Some(Self::Required { mechanisms: names.join(", "), timeout: number("timeout")? })
            }
            "accepted" => Some(Self::Accepted {
                subject: string("subject")?,
                mechanism: string("mechanism")?,
                expires_in: number("expires_in")?,
                message: string("message"),
            }),
            "challenge" => match (string("nonce"), string("message")) {
                (Some(nonce), None) => Some(Self::Challenge(Demand::Nonce(nonce))),
                (None, Some(message)) => Some(Self::Challenge(Demand::Message(message))),
                (Some(_), Some(_)) | (None, None) => None,
            },
            "expiring" => Some(Self::Expiring { expires_in: number("expires_in")? }),
            "rejected" => Some(Self::Rejected {
                error: string("error")?,
                retry: match auth.get("retry").and_then(Value::as_bool) {
                    Some(true) => Retry::Yes,
                    Some(false) | None => Retry::No,
                },
            }),
            _ => None,
        }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Required { mechanisms, timeout } => {
                format!("the server wants a credential ({mechanisms}) within {timeout} s")
            }
            Self::Challenge(_) => "the server asks back".to_owned(),
            Self::Accepted { subject, mechanism, expires_in, message: _ } => {
                format!("accepted as {subject} by {mechanism}, for {expires_in} s")
            }
            Self::Expiring { expires_in } => {
                format!("the credential ends in {expires_in} s; /refresh FILE presents a newer one")
            }
            Self::Rejected { error, retry } => {
                let next = match retry {
                    Retry::Yes => "another credential may be tried: /refresh FILE",
                    Retry::No => "the connection takes no other",
                };
                format!("rejected: {error}; {next}")
            }
        }
    }
}

/// A close code with its reason, and what to do.
pub(super) fn closed(code: u16, reason: &str) -> Vec<String> {
    let meaning = close::describe(code);
    let mut lines = vec![format!("{code}: {meaning}")];
    let (error, rest) = reason.split_once(';').unwrap_or((reason, ""));
    let after = rest.trim().strip_prefix("retry-after=").and_then(|n| n.parse::<u64>().ok());
    if !reason.is_empty() {
        lines.push(format!("reason: {error}"));
    }
    let advice = advice(error).filter(|words| !meaning.contains(words));
    lines.extend(advice.map(str::to_owned));
    lines.extend(after.map(|seconds| format!("come back after {seconds} s")));
    lines
}

/// What an exit code has to say about a close code.
pub(super) fn outcome(code: u16) -> Outcome {
    match code {
        1000 | 1001 | 1005 => Outcome::Fine,
        1008 | 3000 | 3003 | 3008 | 4400..=4499 => Outcome::Refused,
        _ => Outcome::Failed,
    }
}

/// An HTTP answer other than 101, in words.
pub(super) fn refused(refusal: &Refusal) -> Vec<String> {
    let (status, body) = (refusal.status(), refusal.body());
    let field =
        |name: &HeaderName| refusal.fields().get(name).and_then(|value| value.to_str().ok());
    let mut lines = vec![format!("refused by HTTP {status}: {}", meaning(status))];
    for name in [header::WWW_AUTHENTICATE, header::LOCATION] {
        lines.extend(field(&name).map(|value| format!("{name}: {value}")));
    }
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => {
            let member = |name| json.get(name).and_then(Value::as_str);
            let error = member("error").unwrap_or_default();
            match (member("error"), member("error_description")) {
                (Some(error), Some(words)) => lines.push(format!("{error}: {words}")),
                (Some(only), None) | (None, Some(only)) => lines.push(only.to_owned()),
                (None, None) => lines.push(text.trim().to_owned()),
            }
            lines.extend(advice(error).map(str::to_owned));
        }
        Err(_) => lines.extend(text.lines().next().map(str::to_owned)),
    }
    let after = field(&header::RETRY_AFTER).map(|after| format!("come back after {after} s"));
    lines.extend(after);
    lines.retain(|line| !line.is_empty());
    lines
}

/// What an exit code has to say about an HTTP answer: its client's errors mirror 44xx.
pub(super) fn refused_outcome(status: StatusCode) -> Outcome {
    if status.is_client_error() { Outcome::Refused } else { Outcome::Failed }
}

fn meaning(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "a redirect, which a WebSocket does not follow",
        400 => "the server cannot read the handshake",
        401 => "the credential is missing, invalid or expired",
        403 => "not allowed: origin, scope, mechanism or identity",
        404 => "nothing is there",
        407 => "a proxy wants a credential of its own",
        421 => "the server does not serve this host",
        426 => "the server wants another protocol there",
        429 => "too many attempts or connections",
        502..=504 => "the gateway cannot reach what is behind it",
        200..=299 => "an ordinary answer: no WebSocket is served there",
        500..=599 => "the server failed",
        _ => "not a WebSocket's answer",
    }
}

/// What to do about an error name of the protocol.
fn advice(error: &str) -> Option<&'static str> {
    match error {
        "credential_required" => Some("give one by --token-file, or see which carriers it takes"),
        "invalid_token" => Some(
            "check signature, issuer, audience and dates: vestibule token inspect shows the last \
             three",
        ),
        "invalid_credentials" => Some("there is no such user, or it is not the right password"),
        "invalid_dpop_proof" | "use_dpop_nonce" => {
            Some("make a new proof for this very request, with the nonce of the answer")
        }
        "token_expired" => Some("get a new token, then connect again"),
        "token_revoked" | "logged_out" => Some("sign in again"),
        "insufficient_user_authentication" => {
            Some("sign in with a stronger method, a second factor say, and get a token of that")
        }
        "step_up_required" => {
            Some("the route wants a second proof while connected: see its step_up")
        }
        "insufficient_scope" => Some("get a token with the scopes that the route wants"),
        "ambiguous_credential" => Some("send one credential, by one carrier"),
        "origin_not_allowed" => Some(
            "give --origin with an origin of the route's list; a cookie does not count without",
        ),
        "mechanism_not_allowed" => Some("use a carrier and mechanism that the route accepts"),
        "identity_changed" => Some("a refresh keeps subject and issuer: connect anew as the other"),
        "auth_timeout" => Some("present the credential sooner, for example by --carrier message"),
        "too_many_attempts" | "too_many_connections" => Some("wait before the next attempt"),
        "temporarily_unavailable" => Some("the key set or store cannot answer: try again later"),
        "upstream_unavailable" => {
            Some("the credential was fine; the server behind it is not there")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use vestibule_core::rejection::{Rejection, Retry as Advice};

    use super::*;

    #[test]
    fn every_rejection_that_can_be_mended_comes_with_advice() {
        for rejection in Rejection::ALL {
            let answer = rejection.answer();
            match answer.retry {
                Advice::FreshCredential => assert!(advice(answer.error).is_some(), "{rejection}"),
                Advice::Stop | Advice::BackOff => {}
            }
        }
    }

    #[test]
    fn a_close_is_told_with_its_reason_and_when_to_come_back() {
        let lines = closed(4429, "too_many_attempts; retry-after=9");
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].starts_with("4429: "));
        assert_eq!(lines[1], "reason: too_many_attempts");
        assert_eq!(lines[3], "come back after 9 s");
        assert_eq!(closed(1000, "").len(), 1);
    }

    #[test]
    fn the_exit_code_tells_a_refusal_from_a_failure() {
        for (code, expected) in [
            (1000, Outcome::Fine),
            (1001, Outcome::Fine),
            (1005, Outcome::Fine),
            (1006, Outcome::Failed),
            (1011, Outcome::Failed),
            (1013, Outcome::Failed),
            (3000, Outcome::Refused),
            (4401, Outcome::Refused),
            (4499, Outcome::Refused),
            (4500, Outcome::Failed),
        ] {
            assert_eq!(outcome(code), expected, "{code}");
        }
    }

    #[test]
    fn only_what_the_protocol_defines_is_in_band() {
        let accepted =
            r#"{"auth":{"type":"accepted","subject":"a","mechanism":"bearer","expires_in":9}}"#;
        assert!(matches!(InBand::read(accepted), Some(InBand::Accepted { expires_in: 9, .. })));
        for text in
            ["", "hello", r#"{"auth":1}"#, r#"{"auth":{"type":"dance"}}"#, r#" {"auth":{}}"#]
        {
            assert_eq!(InBand::read(text), None, "{text}");
        }
    }
}

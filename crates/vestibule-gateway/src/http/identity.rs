//! What the upstream is told about who is there.

use serde_json::json;
use vestibule_core::{authn::Principal, time::UnixTime};
use vestibule_verify::mint::Signer;

use crate::{
    config::{Assertion, IdentityPreset, Route},
    serve::connections::ConnectionName,
};

/// How long the upstream may rely on an assertion, at the most.
const ASSERTION_SECONDS: i64 = 300;

/// The identity fields of the upgrade request.
pub(super) fn fields(
    route: &Route,
    principal: &Principal,
    connection: ConnectionName,
    signer: &Signer,
    now: UnixTime,
) -> Vec<(&'static str, String)> {
    // A separator inside of a value would make two of it.
    let listed = |values: &[Box<str>], separator: &str, encoded: &str| {
        let values = values.iter().map(|value| plain(value).replace(separator, encoded));
        values.collect::<Vec<_>>().join(separator)
    };
    let methods = || listed(&principal.methods, " ", "%20");
    let context = || principal.context.as_deref().map(plain).unwrap_or_default();
    let groups = || listed(&principal.groups, ",", "%2C");
    let scopes = || listed(&principal.scopes, " ", "%20");
    let email = || principal.email.as_deref().map(plain).unwrap_or_default();
    let name = || principal.name.as_deref().map(plain).unwrap_or_default();
    let subject = plain(&principal.subject);
    let mut fields = match route.identity {
        IdentityPreset::Vestibule => vec![
            ("X-Vestibule-Subject", subject),
            ("X-Vestibule-Issuer", plain(&principal.issuer)),
            ("X-Vestibule-Scopes", scopes()),
            ("X-Vestibule-Mechanism", principal.mechanism.name().to_owned()),
            ("X-Vestibule-Methods", methods()),
            ("X-Vestibule-Context", context()),
            ("X-Vestibule-Expires", principal.expires.as_secs().to_string()),
            ("X-Vestibule-Connection", connection.to_string()),
        ],
        IdentityPreset::Oauth2Proxy => vec![
            ("X-Forwarded-User", subject),
            ("X-Forwarded-Email", email()),
            ("X-Forwarded-Groups", groups()),
            ("X-Forwarded-Preferred-Username", name()),
        ],
        IdentityPreset::Authelia => vec![
            ("Remote-User", subject),
            ("Remote-Groups", groups()),
            ("Remote-Email", email()),
            ("Remote-Name", name()),
        ],
        IdentityPreset::None => Vec::new(),
    };
    fields.retain(|(_, value)| !value.is_empty());
    if let (Assertion::Signed, false) =
        (route.assertion, matches!(route.identity, IdentityPreset::None))
        && let Some(token) = assertion(route, principal, connection, signer, now)
    {
        fields.push(("X-Vestibule-Assertion", token));
    }
    fields
}

fn assertion(
    route: &Route,
    principal: &Principal,
    connection: ConnectionName,
    signer: &Signer,
    now: UnixTime,
) -> Option<String> {
    let scopes: Vec<_> = principal.scopes.iter().map(|scope| scope.replace(' ', "%20")).collect();
    let mut claims = json!({
        "iss": "vestibule",
        "sub": principal.subject,
        "aud": route.name(),
        "iat": now.as_secs(),
        "exp": now.as_secs().saturating_add(ASSERTION_SECONDS).min(principal.expires.as_secs()),
        "jti": connection.to_string(),
        "issuer": &*principal.issuer,
        "scope": scopes.join(" "),
        "groups": principal.groups,
        "mechanism": principal.mechanism.name(),
        "amr": principal.methods,
    });
    if let (Some(context), Some(claims)) = (&principal.context, claims.as_object_mut()) {
        claims.insert("acr".to_owned(), (&**context).into());
    }
    signer.sign(Some("vestibule-assertion+jwt"), &claims).ok()
}

/// Percent-encodes (RFC 3986 section 2.1) what is not plain printable ASCII, the percent sign, and
/// spaces at both ends, which are not part of a field's value to whoever reads it (RFC 9110 section
/// 5.5): `alice` and `alice ` are two subjects.
fn plain(value: &str) -> String {
    let begin = value.len() - value.trim_start_matches(' ').len();
    let end = value.trim_end_matches(' ').len();
    let mut out = String::with_capacity(value.len());
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'!'..=b'$' | b'&'..=b'~' => out.push(char::from(byte)),
            b' ' if (begin..end).contains(&at) => out.push(' '),
            0..=b' ' | b'%' | 0x7f..=0xff => {
                let digits = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                out.push('%');
                out.push(digits(byte >> 4).to_ascii_uppercase());
                out.push(digits(byte & 15).to_ascii_uppercase());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_subject_cannot_end_a_field() {
        assert_eq!(plain("a\r\nX-Admin: 1"), "a%0D%0AX-Admin: 1");
        assert_eq!(plain("zoë %41"), "zo%C3%AB %2541");
    }

    #[test]
    fn a_subject_with_spaces_at_its_ends_is_not_the_one_without() {
        assert_eq!(plain(" a b  "), "%20a b%20%20");
        assert_eq!(plain("  "), "%20%20");
    }
}

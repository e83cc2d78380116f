//! What browsers are asked, in the JSON that they read (Web Authentication sections 5.1.8 to 5.1.10).

use std::time::Duration;

use serde_json::{Map, Value, json};
use vestibule_verify::webauthn::{Challenge, CredentialKey};

use super::{PasskeyPolicy, Verification};

/// What is asked of whoever has a passkey (`PublicKeyCredentialRequestOptionsJSON`). The same for
/// everybody.
pub(super) fn request(
    policy: &PasskeyPolicy,
    challenge: &Challenge,
    patience: Duration,
) -> Map<String, Value> {
    object([
        ("challenge", challenge.to_string().into()),
        ("timeout", milliseconds(patience)),
        ("rpId", (*policy.id).into()),
        ("allowCredentials", json!([])),
        ("userVerification", verification(policy).into()),
    ])
}

/// Who makes a passkey.
pub(super) struct Maker<'a> {
    /// The name of the user.
    pub(super) user: &'a str,
    /// The name for people.
    pub(super) name: Option<&'a str>,
    /// What authenticators call the user, in base64url.
    pub(super) handle: &'a str,
    /// Those that the user has already.
    pub(super) has: &'a [Box<str>],
}

/// What is asked of whoever makes one (`PublicKeyCredentialCreationOptionsJSON`).
pub(super) fn creation(
    policy: &PasskeyPolicy,
    maker: &Maker<'_>,
    challenge: &Challenge,
    patience: Duration,
) -> Map<String, Value> {
    let Maker { user, name, handle, has } = *maker;
    let named = |id: &str| json!({ "type": "public-key", "id": id });
    let algorithm = |number: &i64| json!({ "type": "public-key", "alg": number });
    object([
        ("rp", json!({ "id": policy.id, "name": policy.name })),
        ("user", json!({ "id": handle, "name": user, "displayName": name.unwrap_or(user) })),
        ("challenge", challenge.to_string().into()),
        ("pubKeyCredParams", CredentialKey::ALGORITHMS.iter().map(algorithm).collect()),
        ("timeout", milliseconds(patience)),
        ("excludeCredentials", has.iter().map(|id| named(id)).collect()),
        (
            "authenticatorSelection",
            json!({
                // It must be found by what is asked of everybody.
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": verification(policy),
            }),
        ),
        ("attestation", "none".into()),
    ])
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn milliseconds(span: Duration) -> Value {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into()
}

fn verification(policy: &PasskeyPolicy) -> &'static str {
    match policy.verification {
        Verification::Required => "required",
        Verification::Preferred => "preferred",
        Verification::Discouraged => "discouraged",
    }
}

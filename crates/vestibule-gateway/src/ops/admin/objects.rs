//! The objects of the `OpenAPI` document.

use serde_json::Value;

use super::{model, schema::Object};

/// Objects of the document.
pub(super) const OBJECTS: &[(&str, Write)] = &[
    object::<model::Connection>(),
    object::<model::Connections>(),
    object::<model::CloseConnections>(),
    object::<model::Closed>(),
    object::<model::NewStepUp>(),
    object::<model::StepUpAsked>(),
    object::<model::NewRevocation>(),
    object::<model::Revocation>(),
    object::<model::Revocations>(),
    object::<model::NewUser>(),
    object::<model::User>(),
    object::<model::Users>(),
    object::<model::UserChange>(),
    object::<model::NewPassword>(),
    object::<model::NewKey>(),
    object::<model::MadeKey>(),
    object::<model::Key>(),
    object::<model::Keys>(),
    object::<model::Status>(),
    object::<model::KeySet>(),
    object::<model::Sample>(),
    object::<model::NewPublicKey>(),
    object::<model::PublicKey>(),
    object::<model::PublicKeys>(),
    object::<model::Passkey>(),
    object::<model::Passkeys>(),
    object::<model::Problem>(),
];

/// Writes a schema.
type Write = fn() -> Value;

const fn object<T: Object>() -> (&'static str, Write) {
    (T::NAME, T::definition)
}

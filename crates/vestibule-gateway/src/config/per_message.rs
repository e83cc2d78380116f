//! Where each message carries its own credential: what goes together with that.

use vestibule_core::{authn::Mechanism, policy::RoutePolicy};

use super::{
    fault::{Fault, Place},
    read::Reader,
};

/// The longest message that may be configured, in bytes: each connection can make the gateway keep
/// one.
const MOST: u32 = 16 * 1024 * 1024;
/// The shortest: an envelope and a token of the usual length.
const LEAST: u32 = 1024;

/// Reads what belongs to it; `place` is where `per-message` stands in `accept`, if it does.
pub(super) fn per_message(reader: &mut Reader<'_>, place: Option<Place>, policy: &mut RoutePolicy) {
    let most = reader.integer("max_message", LEAST..=MOST);
    let Some(place) = place else {
        // The default means nothing, wherever it is written.
        if most.is_some_and(|most| usize::try_from(most).ok() != Some(policy.max_message)) {
            let message = "`max_message` has no use: `accept` does not have `per-message`";
            let fault = Fault::new(message, reader.place_of("max_message"));
            reader.report.push(fault.help("messages of other routes are never held whole"));
        }
        return;
    };
    if let Some(most) = most.and_then(|most| usize::try_from(most).ok()) {
        policy.max_message = most;
    }
    if policy.accept.len() > 1 {
        let message = "`per-message` stands alone: where each message carries its credential, none \
                       comes in another way";
        let fault = Fault::new(message, place.clone());
        reader.report.push(
            fault.help("write `accept = [\"per-message\"]`, and another route for the others"),
        );
    }
    for mechanism in &policy.mechanisms {
        match mechanism {
            Mechanism::Bearer | Mechanism::Session | Mechanism::ApiKey => {}
            Mechanism::Ticket
            | Mechanism::PublicKey
            | Mechanism::ScramSha256
            | Mechanism::ScramSha256Plus
            | Mechanism::Webauthn
            | Mechanism::External
            | Mechanism::Dpop
            | Mechanism::OauthBearer => {
                let message =
                    format!("{:?} is nothing that each message could carry", mechanism.name());
                let fault = Fault::new(message, reader.place_of("mechanisms"));
                let fault = fault.help("there is \"bearer\", \"session\" and \"api-key\"");
                reader.report.push(fault);
            }
        }
    }
}

//! `routes.step_up`: the second proof, and how well somebody must be known.

use vestibule_core::{
    authn::{Judge, Mechanism},
    limits,
    policy::{Assurance, Carrier, RoutePolicy, StepUp},
};

use super::{
    fault::Fault,
    keys::Section,
    read::{Complaint, Reader, values},
};

/// The second proof that a route asks for; `known` says which mechanisms there are.
pub(super) fn read(
    reader: &mut Reader<'_>,
    known: impl FnMut(&str) -> Result<Mechanism, Complaint>,
    policy: &mut RoutePolicy,
) {
    let Some(node) = reader.node("step_up") else { return };
    if !policy.accept.contains(&Carrier::Message) {
        let message = "clients are asked in band for a second proof, and `accept` does not have \
                       `message`";
        let fault = Fault::new(message, node.place.clone());
        reader.report.push(fault.help("write `accept = [\"message\", …]`"));
    }
    let Some(mut inner) = Reader::new(Section::StepUp, node, reader.report) else { return };
    let mechanisms = inner.some("mechanisms", known);
    if mechanisms.is_none() && inner.node("mechanisms").is_none() {
        inner.missing("mechanisms");
    }
    let within = inner.duration("within", limits::STEP_UP_SHORTEST..=limits::STEP_UP_LONGEST);
    let assurance = assurance(&mut inner);
    let Some(mechanisms) = mechanisms else { return };
    let mechanisms: Box<[Mechanism]> = values(mechanisms);
    let is_never_asked = assurance.is_empty()
        && policy.mechanisms.iter().all(|mechanism| mechanisms.contains(mechanism));
    if is_never_asked {
        let message = "`step_up` has no use: everybody comes in by one of its mechanisms";
        inner.report.push(Fault::warning(message, inner.place_of("mechanisms")));
    }
    let within = within.map_or(limits::STEP_UP, |within| within.value);
    match StepUp::new(mechanisms, within, assurance) {
        Ok(step_up) => policy.step_up = Some(step_up),
        Err(fault) => {
            inner.report.push(Fault::new(fault.to_string(), inner.place_of("mechanisms")));
        }
    }
}

/// A connection is asked about again by its first token alone: a second proof that was taken back at
/// its issuer would count on.
pub(super) fn unasked(reader: &mut Reader<'_>, policy: &RoutePolicy) {
    let Some(step_up) = &policy.step_up else { return };
    let is_token = |mechanism: &&Mechanism| mechanism.judge() == Judge::Issuer;
    if let Some(mechanism) = step_up.mechanisms().iter().find(is_token) {
        let message = format!(
            "a second proof by `{}` is not asked about again, and an issuer of this route is asked \
             about its tokens",
            mechanism.name()
        );
        let fault = Fault::new(message, reader.place_of("step_up"));
        reader.report.push(fault.help("list `issuers` whose keys are known, or another mechanism"));
    }
}

/// How well a principal must be known: `acr` and `amr`.
pub(super) fn assurance(reader: &mut Reader<'_>) -> Assurance {
    let mut named = |key: &str| {
        let list = reader.some(key, |text| {
            // They are listed in a quoted string, with spaces between (RFC 9470 section 3).
            let legal = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~');
            if text.is_empty() || text.len() > 256 || !text.chars().all(legal) {
                let complaint = Complaint::new(format!("{text:?} cannot be a value of `{key}`"));
                return Err(complaint.help("write each one as a string of its own, without spaces"));
            }
            Ok(text.into())
        });
        list.map(values).unwrap_or_default()
    };
    Assurance { contexts: named("acr"), methods: named("amr") }
}

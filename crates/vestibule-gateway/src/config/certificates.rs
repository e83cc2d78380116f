//! `[[certificates]]`: whom clients' certificates name.

use std::sync::Arc;

use vestibule_verify::certificate::{Mapping, Pattern, SubjectFrom};

use super::{
    fault::Fault,
    read::{Complaint, Reader, Written, values, word},
    routes::scope,
};

/// One table: what it is called, and what it means; `None` for what could not be read, and was
/// reported.
#[derive(Debug)]
pub(super) struct CertificatesWritten {
    pub(super) name: Option<Written<Box<str>>>,
    pub(super) mapping: Option<Mapping>,
}

impl CertificatesWritten {
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &*name.value)
    }
}

/// Reads one table.
pub(super) fn certificates(
    reader: &mut Reader<'_>,
    earlier: &[CertificatesWritten],
) -> CertificatesWritten {
    let name = reader.parsed("name", word("a name"));
    let mut twins = earlier.iter().filter_map(|other| other.name.as_ref());
    if let Some(name) = &name
        && let Some(twin) = twins.find(|other| other.value == name.value)
    {
        let message = format!("there are two [[certificates]] called {:?}", name.value);
        let fault = Fault::new(message, name.place.clone());
        reader.report.push(fault.related(twin.place.clone(), "the first one"));
    }
    let names = SubjectFrom::ALL.iter().map(|from| (from.name(), *from)).collect::<Vec<_>>();
    let subject_from = reader.choice("subject_from", &names);
    let allowed = reader.some("allowed", |text| {
        Pattern::parse(text)
            .map_err(|fault| Complaint::new(format!("{text:?} is no pattern of subjects: {fault}")))
    });
    for key in ["name", "subject_from", "allowed"] {
        if reader.node(key).is_none() {
            reader.missing(key);
        }
    }
    if let Some(any) = allowed.iter().flatten().find(|pattern| pattern.value.is_any()) {
        let message = "every certificate of these authorities counts, whomever it names";
        let fault = Fault::warning(message, any.place.clone());
        reader.report.push(fault.help("list the subjects, or patterns of them"));
    }
    let issuer = reader.parsed("issuer", word("an issuer"));
    let scopes = reader.some("scopes", scope).map(values).unwrap_or_default();
    let groups = reader.some("groups", word("a group")).map(values).unwrap_or_default();
    let mapping = described(name.as_ref(), issuer, subject_from, allowed);
    let mapping = mapping.map(|mapping| Mapping { scopes, groups, ..mapping });
    CertificatesWritten { name, mapping }
}

fn described(
    name: Option<&Written<Box<str>>>,
    issuer: Option<Written<Box<str>>>,
    subject_from: Option<SubjectFrom>,
    allowed: Option<Vec<Written<Pattern>>>,
) -> Option<Mapping> {
    let name: Arc<str> = Arc::from(&*name?.value);
    Some(Mapping {
        issuer: issuer.map_or_else(|| Arc::clone(&name), |issuer| Arc::from(issuer.value)),
        name,
        subject_from: subject_from?,
        allowed: values(allowed?),
        scopes: Box::default(),
        groups: Box::default(),
    })
}

//! Clients' certificates, whatever they hold: no panic, and nobody is anybody who is not allowed, has
//! an empty name or one with control characters, or lasts longer than the certificate.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule_core::time::UnixTime;
use vestibule_verify::certificate::{ClientCertificate, Mapping, Pattern, SubjectFrom, verify};

static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    let mapping = |subject_from: &SubjectFrom| Mapping {
        name: subject_from.name().into(),
        issuer: "fuzz".into(),
        subject_from: *subject_from,
        allowed: Box::new([Pattern::parse("*").expect("every name")]),
        scopes: Box::default(),
        groups: Box::default(),
    };
    SubjectFrom::ALL.iter().map(mapping).collect()
});

fuzz_target!(|data: &[u8]| {
    let Ok(certificate) = ClientCertificate::assertion(data) else { return };
    let now = UnixTime::from_secs(1_800_000_000);
    for mapping in MAPPINGS.iter() {
        let Ok(verified) = verify([mapping], &certificate, now) else { continue };
        let principal = verified.principal();
        assert!(!principal.subject.is_empty());
        assert!(!principal.subject.chars().any(char::is_control));
        assert!(principal.expires > now && principal.expires == certificate.ends());
        let fingerprint = certificate.fingerprint().to_string();
        assert_eq!(principal.token_id.as_deref(), Some(&*fingerprint));
        // A pattern for others takes none of them.
        let others = Pattern::parse("spiffe://nobody.example/*").expect("a pattern");
        let narrow = Mapping { allowed: Box::new([others]), ..mapping.clone() };
        if !principal.subject.starts_with("spiffe://nobody.example/") {
            assert!(verify([&narrow], &certificate, now).is_err());
        }
    }
});

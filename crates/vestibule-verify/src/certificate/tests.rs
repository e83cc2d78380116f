//! Certificates as rcgen writes them, whole and damaged.

use std::time::Duration;

use proptest::prelude::*;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType, date_time_ymd,
};
use vestibule_core::authn::Mechanism;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn mail(text: &str) -> SanType {
    SanType::Rfc822Name(text.try_into().unwrap())
}

fn common(texts: &[&str]) -> Vec<DnValue> {
    texts.iter().map(|text| DnValue::Utf8String((*text).to_owned())).collect()
}

/// A certificate with these names, for an hour on both sides of now.
fn certificate(names: Vec<SanType>, common_names: Vec<DnValue>) -> Vec<u8> {
    lasting(names, common_names, (-3600, 3600))
}

fn lasting(names: Vec<SanType>, common_names: Vec<DnValue>, dates: (i64, i64)) -> Vec<u8> {
    let at = |from_now: i64| {
        let seconds = u64::try_from(NOW.as_secs() + from_now).unwrap();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let mut params = CertificateParams::new([]).unwrap();
    params.subject_alt_names = names;
    params.distinguished_name = DistinguishedName::new();
    for (at, name) in common_names.into_iter().enumerate() {
        // It writes one of a type. A second one is written as another of the same form.
        let kind = if at == 0 { DnType::CommonName } else { DnType::OrganizationName };
        params.distinguished_name.push(kind, name);
    }
    (params.not_before, params.not_after) = (at(dates.0), at(dates.1));
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn mapping(subject_from: SubjectFrom, allowed: &[&str]) -> Mapping {
    Mapping {
        name: "devices".into(),
        issuer: "https://ca.example".into(),
        subject_from,
        allowed: allowed.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
        scopes: Box::new(["chat".into()]),
        groups: Box::new(["machines".into()]),
    }
}

/// Whose it is, or what the operator is told.
#[track_caller]
fn check(der: &[u8], from: SubjectFrom, allowed: &[&str], expected: Result<&str, &str>) {
    let certificate = ClientCertificate::assertion(der).unwrap();
    let said = verify([&mapping(from, allowed)], &certificate, NOW);
    let said = said.map(|verified| verified.principal().subject.to_string());
    let said = said.map_err(|refused| refused.reason);
    assert_eq!(said.as_deref().map_err(String::as_str), expected);
}

#[test]
fn one_name_of_the_kind_makes_a_principal_that_ends_with_the_certificate() {
    let der = certificate(vec![dns("a.example"), uri("spiffe://e.org/device/7")], Vec::new());
    let certificate = ClientCertificate::assertion(&der).unwrap();
    let mapping = mapping(SubjectFrom::SanUri, &["spiffe://e.org/device/*"]);
    let verified = verify([&mapping], &certificate, NOW).unwrap();
    let principal = verified.principal();
    assert_eq!(&*principal.subject, "spiffe://e.org/device/7");
    assert_eq!(&*principal.issuer, "https://ca.example");
    assert_eq!(principal.mechanism, Mechanism::External);
    assert_eq!((&*principal.scopes[0], &*principal.groups[0]), ("chat", "machines"));
    assert_eq!(principal.issued, Some(UnixTime::from_secs(NOW.as_secs() - 3600)));
    assert_eq!(principal.expires, UnixTime::from_secs(NOW.as_secs() + 3600));
    assert_eq!(principal.expires, certificate.ends());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    let hex = data_encoding::HEXLOWER.encode(hash.as_ref());
    assert_eq!(principal.token_id.as_deref(), Some(&*hex));
    assert_eq!(
        certificate.fingerprint().confirmation(),
        data_encoding::BASE64URL_NOPAD.encode(hash.as_ref())
    );
    assert_eq!((&principal.email, &principal.session), (&None, &None));
}

#[test]
fn each_kind_of_name_is_found_and_written_in_one_way() {
    let der = certificate(
        vec![dns("Device-7.Example.COM"), uri("URN:x:Y"), mail("Alice.B@Example.COM")],
        common(&["Älice B."]),
    );
    check(&der, SubjectFrom::SanDns, &["*.example.com"], Ok("device-7.example.com"));
    check(&der, SubjectFrom::SanUri, &["URN:x:*"], Ok("URN:x:Y"));
    check(&der, SubjectFrom::SanEmail, &["*@example.com"], Ok("Alice.B@example.com"));
    check(&der, SubjectFrom::CommonName, &["Älice *"], Ok("Älice B."));
    let certificate = ClientCertificate::assertion(&der).unwrap();
    let verified = verify([&mapping(SubjectFrom::SanEmail, &["*"])], &certificate, NOW).unwrap();
    assert_eq!(verified.principal().email.as_deref(), Some("Alice.B@example.com"));
}

#[test]
fn of_two_names_nobody_says_which_is_meant() {
    let two = certificate(vec![uri("a:b"), uri("a:c")], Vec::new());
    check(&two, SubjectFrom::SanUri, &["a:b"], Err("\"devices\": it has more than one san-uri"));
    let same = certificate(vec![uri("a:b"), uri("a:b")], Vec::new());
    check(&same, SubjectFrom::SanUri, &["*"], Err("\"devices\": it has more than one san-uri"));
    // One that nobody can be called by is one all the same.
    let hidden = certificate(vec![dns("good.example"), dns("*.example")], Vec::new());
    check(&hidden, SubjectFrom::SanDns, &["*"], Err("\"devices\": it has more than one san-dns"));
    let none = certificate(vec![dns("a.example")], Vec::new());
    check(&none, SubjectFrom::SanUri, &["*"], Err("\"devices\": it has no san-uri"));
    check(&none, SubjectFrom::CommonName, &["*"], Err("\"devices\": it has no common-name"));
    let mut twice = certificate(Vec::new(), common(&["a", "b"]));
    check(&twice, SubjectFrom::CommonName, &["a"], Ok("a"));
    let (organization, common_name) = ([0x06, 3, 0x55, 4, 10], 3);
    while let Some(at) = twice.windows(5).position(|it| it == organization) {
        twice[at + 4] = common_name;
    }
    check(
        &twice,
        SubjectFrom::CommonName,
        &["*"],
        Err("\"devices\": it has more than one common-name"),
    );
}

#[test]
fn what_nobody_can_be_called_by_is_no_name() {
    let long = format!("{}.example", "a".repeat(1100));
    for (name, from) in [
        (dns("*.example.com"), SubjectFrom::SanDns),
        (dns("a\0.example.com"), SubjectFrom::SanDns),
        (dns("a b"), SubjectFrom::SanDns),
        (dns("a..b"), SubjectFrom::SanDns),
        (dns(""), SubjectFrom::SanDns),
        (dns(&long), SubjectFrom::SanDns),
        (uri("spiffe://e.org/a\nb"), SubjectFrom::SanUri),
        (uri("spiffe://e.org/a b"), SubjectFrom::SanUri),
        (uri(""), SubjectFrom::SanUri),
        (mail("alice"), SubjectFrom::SanEmail),
        (mail("a@b@c"), SubjectFrom::SanEmail),
        (mail("@example.com"), SubjectFrom::SanEmail),
        (mail("alice@"), SubjectFrom::SanEmail),
    ] {
        let words = format!("{name:?}");
        let der = certificate(vec![name], Vec::new());
        let said = ClientCertificate::assertion(&der).unwrap();
        let refused = verify([&mapping(from, &["*"])], &said, NOW).unwrap_err();
        assert!(refused.reason.ends_with("somebody can be called by"), "{words}: {refused}");
        assert_eq!(refused.rejection, Rejection::CredentialsInvalid);
    }
    for name in ["", "a\nb", "a\u{202e}b", "\u{0}", " a", "a ", &"x".repeat(1100)] {
        let der = certificate(Vec::new(), common(&[name]));
        let said = "\"devices\": its common-name is nothing that somebody can be called by";
        check(&der, SubjectFrom::CommonName, &["*"], Err(said));
    }
}

#[test]
fn only_what_is_allowed_counts() {
    let der = certificate(vec![dns("x.devices.example.com")], Vec::new());
    for (allowed, is) in [
        (&["x.devices.example.com"][..], true),
        (&["*.devices.example.com"], true),
        (&["*.*.example.com"], true),
        (&["other", "x.*.example.com"], true),
        (&["*"], true),
        (&["*.example.com"], false),
        (&["X.devices.example.com"], false),
        (&["x.devices.example.co"], false),
        (&["xx*.devices.example.com"], false),
        (&["x*.devices.example.com"], false),
        (&[], false),
    ] {
        let no = "\"devices\": \"x.devices.example.com\" is not among the allowed";
        let expected = if is { Ok("x.devices.example.com") } else { Err(no) };
        check(&der, SubjectFrom::SanDns, allowed, expected);
    }
}

#[test]
fn the_first_mapping_that_takes_it_says_whose_it_is() {
    let der = certificate(vec![uri("urn:a:1"), dns("a.example")], Vec::new());
    let certificate = ClientCertificate::assertion(&der).unwrap();
    let (one, two) =
        (mapping(SubjectFrom::SanUri, &["urn:b:*"]), mapping(SubjectFrom::SanDns, &["*"]));
    let verified = verify([&one, &two], &certificate, NOW).unwrap();
    assert_eq!(&*verified.principal().subject, "a.example");
    let refused = verify([&one], &certificate, NOW).unwrap_err();
    assert!(refused.reason.contains("urn:a:1"), "{refused}");
    let nobody = verify([], &certificate, NOW).unwrap_err();
    assert_eq!(nobody.rejection, Rejection::CredentialsInvalid);
}

#[test]
fn a_certificate_counts_from_its_first_second_to_its_last() {
    let der = lasting(vec![uri("a:b")], Vec::new(), (0, 10));
    let certificate = ClientCertificate::assertion(&der).unwrap();
    let mapping = mapping(SubjectFrom::SanUri, &["*"]);
    let at = |seconds: i64| {
        let now = UnixTime::from_secs(NOW.as_secs() + seconds);
        verify([&mapping], &certificate, now).map(drop).map_err(|refused| refused.rejection)
    };
    assert_eq!(at(-1), Err(Rejection::TokenNotYetValid));
    assert_eq!((at(0), at(9)), (Ok(()), Ok(())));
    assert_eq!(at(10), Err(Rejection::TokenExpired));
}

#[test]
fn what_is_no_certificate_is_refused() {
    let der = certificate(vec![uri("a:b")], Vec::new());
    for wrong in
        [&[][..], b"x", &[0x30, 0x80, 0, 0], &der[..der.len() - 1], &[&*der, &[0]].concat()]
    {
        let refused = ClientCertificate::assertion(wrong).unwrap_err();
        assert_eq!(refused.rejection, Rejection::CredentialsInvalid);
    }
    assert!(ClientCertificate::assertion(&vec![0x30; 20_000]).is_err());
}

#[test]
fn a_pattern_is_a_text_with_stars() {
    let cn = SubjectFrom::CommonName;
    for (pattern, name, is) in [
        ("a", "a", true),
        ("a", "A", false),
        ("a*", "ab", true),
        ("a*", "a", false),
        ("*a", "a", false),
        ("*a", "ba", true),
        ("*a", "aaa", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "abYc", false),
        ("a*b*c", "aXbc", false),
        ("a*b*c", "aXbbc", true),
        ("a*b*c", "aXbYcZ", false),
        ("*ab", "aab", true),
        ("*x*", "x", false),
        ("*x*", "axb", true),
        ("ä*", "äö", true),
    ] {
        assert_eq!(Pattern::parse(pattern).unwrap().covers(name, cn), is, "{pattern} {name}");
    }
    let uri = Pattern::parse("spiffe://e.org/*/x").unwrap();
    assert!(uri.covers("spiffe://e.org/a.b@c/x", SubjectFrom::SanUri));
    assert!(!uri.covers("spiffe://e.org/a/b/x", SubjectFrom::SanUri));
    assert!(!uri.covers("spiffe://e.org//x", SubjectFrom::SanUri));
    assert!(
        Pattern::parse("*@a.example").unwrap().covers("a.b/c@a.example", SubjectFrom::SanEmail)
    );
    for bad in ["", "**", "a**", &"a".repeat(1025)] {
        assert!(Pattern::parse(bad).is_err());
    }
}

proptest! {
    /// As a search through every way to put characters in the place of the stars.
    #[test]
    fn a_pattern_takes_what_a_search_finds(
        pattern in "[ab*.]{1,6}".prop_filter("stars apart", |text| !text.contains("**")),
        name in "[ab.]{0,7}",
    ) {
        fn search(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], [first, more @ ..]) if *first != b'.' => {
                    search(rest, more) || search(pattern, more)
                }
                ([a, rest @ ..], [b, more @ ..]) if a == b && *a != b'*' => search(rest, more),
                _ => false,
            }
        }
        let wanted = pattern == "*" || search(pattern.as_bytes(), name.as_bytes());
        let covers = Pattern::parse(&pattern).unwrap().covers(&name, SubjectFrom::SanDns);
        prop_assert_eq!(covers, wanted);
    }

    #[test]
    fn damage_makes_nobody_of_another_name(at in 0_usize..400, bit in 0_u8..8) {
        let der = lasting(vec![uri("a:b")], Vec::new(), (-60, 60));
        let mut damaged = der.clone();
        if let Some(byte) = damaged.get_mut(at) {
            *byte ^= 1 << bit;
        }
        if let Ok(certificate) = ClientCertificate::assertion(&damaged) {
            // Whatever it says: TLS would have refused it. Here nothing panics, and its name is its own.
            let mapping = mapping(SubjectFrom::SanUri, &["a:b"]);
            if let Ok(verified) = verify([&mapping], &certificate, NOW) {
                prop_assert_eq!(&*verified.principal().subject, "a:b");
            }
        }
    }
}

//! What is in a certificate (RFC 5280 section 4.1), as far as it is asked about.

use vestibule_core::time::UnixTime;
use x509_cert::{
    Certificate,
    der::{
        Decode, Tag, Tagged,
        asn1::{PrintableStringRef, Utf8StringRef},
        oid::db::rfc4519::COMMON_NAME,
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
    time::Time,
};

use super::{SubjectFrom, malformed};
use crate::{Refused, limits};

pub(super) struct Contents {
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) names: Vec<(SubjectFrom, Option<Box<str>>)>,
}

/// Reads strict DER. What cannot be read as a whole is nothing.
pub(super) fn contents(der: &[u8]) -> Result<Contents, Refused> {
    let certificate = Certificate::from_der(der)
        .map_err(|error| malformed(format!("the certificate cannot be read: {error}")))?;
    let certificate = certificate.tbs_certificate();
    let validity = certificate.validity();
    let mut names = Vec::new();
    for attribute in certificate.subject().iter() {
        if attribute.oid == COMMON_NAME {
            let (tag, value) = (attribute.value.tag(), &attribute.value);
            // Older alphabets are read differently by two readers.
            let text = if tag == Tag::Utf8String {
                value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str())
            } else if tag == Tag::PrintableString {
                value.decode_as::<PrintableStringRef<'_>>().ok().map(|text| text.as_str())
            } else {
                None
            };
            names.push((SubjectFrom::CommonName, text.and_then(common_name)));
        }
    }
    // Twice is an error, too.
    let alternative = certificate
        .get_extension::<SubjectAltName>()
        .map_err(|error| malformed(format!("the alternative names cannot be read: {error}")))?;
    if let Some((_, SubjectAltName(listed))) = &alternative {
        names.extend(listed.iter().filter_map(alternative_name));
    }
    if names.len() > limits::CERTIFICATE_NAMES {
        return Err(malformed("the certificate has too many names"));
    }
    Ok(Contents {
        not_before: date(validity.not_before),
        // RFC 5280 section 4.1.2.5 counts this second, too; nobody will miss it.
        not_after: date(validity.not_after),
        names,
    })
}

fn date(time: Time) -> UnixTime {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    UnixTime::from_secs(seconds)
}

fn alternative_name(name: &GeneralName) -> Option<(SubjectFrom, Option<Box<str>>)> {
    match name {
        GeneralName::DnsName(name) => Some((SubjectFrom::SanDns, dns_name(name.as_str()))),
        GeneralName::UniformResourceIdentifier(name) => {
            Some((SubjectFrom::SanUri, printable(name.as_str()).map(Into::into)))
        }
        GeneralName::Rfc822Name(name) => Some((SubjectFrom::SanEmail, mail(name.as_str()))),
        GeneralName::OtherName(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::IpAddress(_)
        | GeneralName::RegisteredId(_) => None,
    }
}

/// Labels of letters, digits, hyphens and underscores, in lower case. A wildcard is many names, and
/// nobody's.
fn dns_name(name: &str) -> Option<Box<str>> {
    let legal = |label: &str| {
        let of_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(of_label)
    };
    let is_one = name.len() <= limits::CERTIFICATE_NAME_BYTES && name.split('.').all(legal);
    is_one.then(|| name.to_ascii_lowercase().into())
}

/// A local part as it is, and a domain in lower case.
fn mail(name: &str) -> Option<Box<str>> {
    let (local, domain) = printable(name)?.split_once('@')?;
    if local.is_empty() {
        return None;
    }
    let domain = dns_name(domain)?;
    Some(format!("{local}@{domain}").into())
}

/// Visible ASCII.
fn printable(name: &str) -> Option<&str> {
    let is_one = !name.is_empty()
        && name.len() <= limits::CERTIFICATE_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then_some(name)
}

/// Text without what cannot be seen: control characters, and those that change the direction or hide
/// others.
fn common_name(name: &str) -> Option<Box<str>> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let is_one = !name.is_empty()
        && name.len() <= limits::CERTIFICATE_NAME_BYTES
        && name.trim() == name
        && !name.chars().any(hidden);
    is_one.then(|| name.into())
}

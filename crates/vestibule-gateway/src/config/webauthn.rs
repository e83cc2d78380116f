//! `[auth.webauthn]`: what the gateway is to the authenticators of its users.

use vestibule_authority::webauthn::{PasskeyPolicy, Verification};
use vestibule_core::policy::Host;

use super::{
    fault::Fault,
    read::{Complaint, Reader, Written, values, word},
};

/// Reads it. `None` where it has no name that can be used.
pub(super) fn webauthn(reader: &mut Reader<'_>) -> Option<PasskeyPolicy> {
    let id = reader.parsed("rp_id", domain);
    if reader.node("rp_id").is_none() {
        reader.missing("rp_id");
    }
    let name = reader.parsed("rp_name", word("the name"));
    let origins = reader.some("origins", origin);
    let verification = reader.choice(
        "user_verification",
        &[
            ("required", Verification::Required),
            ("preferred", Verification::Preferred),
            ("discouraged", Verification::Discouraged),
        ],
    );
    let id = id?;
    for Written { value, place } in origins.iter().flatten() {
        let host = host_of(value);
        if is_below(host, &id.value) {
            continue;
        }
        let message = format!("browsers use no passkey of {:?} on pages of {host:?}", id.value);
        let fault = Fault::new(message, place.clone()).related(id.place.clone(), "the `rp_id`");
        let help = "`rp_id` is the host of every origin, or a domain that it is in";
        reader.report.push(fault.help(help));
    }
    let own = || [format!("https://{}", id.value).into()].into();
    Some(PasskeyPolicy {
        name: name.map_or_else(|| id.value.clone(), |name| name.value),
        origins: origins.map_or_else(own, values),
        verification: verification.unwrap_or(Verification::Required),
        id: id.value,
    })
}

/// A domain, as browsers write it (Web Authentication section 5.1.2: no address, no port).
fn domain(text: &str) -> Result<Box<str>, Complaint> {
    let complaint = |message: String| {
        Complaint::new(message).help("write a domain, like `example.com`: no scheme, no port")
    };
    let host = Host::parse(text.as_bytes());
    let host = host.ok_or_else(|| complaint(format!("{text:?} is no domain")))?;
    let is_address =
        host.name().starts_with('[') || host.name().parse::<std::net::Ipv4Addr>().is_ok();
    if host.port().is_some() || is_address {
        return Err(complaint(format!("{text:?} is no domain")));
    }
    if host.name() != text {
        return Err(complaint(format!("browsers write {text:?} as {:?}", host.name())));
    }
    Ok(text.into())
}

/// An origin that can have passkeys, to the letter as browsers say it.
fn origin(text: &str) -> Result<Box<str>, Complaint> {
    let help = "write it like `https://app.example.com` or `http://localhost:8080`";
    let complaint = |message: String| Complaint::new(message).help(help);
    let none = || complaint(format!("{text:?} is no origin"));
    let (scheme, rest) = text.split_once("://").ok_or_else(none)?;
    let host = Host::parse(rest.as_bytes()).ok_or_else(none)?;
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        // Browsers trust the own machine without TLS (Secure Contexts section 3.1).
        "http" if is_below(host.name(), "localhost") => 80,
        _ => {
            return Err(complaint(format!(
                "browsers have no passkeys on {text:?}: it is neither `https` nor this machine"
            )));
        }
    };
    let port = host.port().filter(|port| *port != usual);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let written = format!("{}://{}{port}", scheme.to_ascii_lowercase(), host.name());
    if written != text {
        return Err(complaint(format!("browsers write {text:?} as {written:?}")));
    }
    Ok(text.into())
}

/// Whether a host is the domain, or in it.
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The host of an origin that was read.
fn host_of(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    rest.rsplit_once(':').map_or(rest, |(host, _)| host)
}

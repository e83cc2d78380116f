//! `[[routes]]`: what is served, and to whom.

use std::time::Duration;

use vestibule_core::{
    policy::{
        Announce, Carrier, ForwardCredential, Host, OriginPolicy, RejectStyle, RoutePath,
        RoutePolicy,
    },
    wire::close::{CloseCodeFault, CloseCodes},
};

use super::{
    address,
    auth::AuthWritten,
    carriers,
    certificates::CertificatesWritten,
    fault::{Fault, Place},
    files::{Files, Purpose},
    issuers::{self, IssuerWritten},
    model::{Assertion, Compression, IdentityPreset, Route, Tls, Upstream},
    raw::{Entry, Value},
    read::{Complaint, Reader, Written, choose, integer, is_token, values},
    step_up, suggest,
};

const HOUR: Duration = Duration::from_hours(1);
/// Longest life of a connection that can be written: it is a bound against slips of the pen.
const YEAR: Duration = Duration::from_hours(24 * 366);

/// A route, and where its path and its hosts were written.
#[derive(Debug)]
pub(super) struct RouteWritten {
    pub(super) route: Route,
    pub(super) place: Place,
}

/// What was read before the routes, which refer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) issuers: &'a [IssuerWritten],
    pub(super) certificates: &'a [CertificatesWritten],
    pub(super) auth: Option<&'a AuthWritten>,
    pub(super) tls: Option<&'a Tls>,
}

/// Reads one table. `None` where it has no path or leads nowhere.
pub(super) fn route(
    reader: &mut Reader<'_>,
    known: Known<'_>,
    files: &mut Files,
) -> Option<RouteWritten> {
    let Known { issuers, auth, .. } = known;
    let path = reader.parsed("path", |text| {
        let path = RoutePath::parse(text)?;
        match auth {
            Some(auth) if auth.path.strip(path.as_str()).is_some() => {
                let message = format!("the endpoints of [auth] are below {}", auth.path.as_str());
                Err(Complaint::new(message))
            }
            Some(_) | None => Ok(path),
        }
    });
    if path.is_none() && reader.node("path").is_none() {
        reader.missing("path");
    }
    let upstreams = upstreams(reader, files);
    let written_issuers = issuers;
    let issuers = trusted(reader, issuers, auth);
    let certificates = mapped(reader, known.certificates);
    let (identity, assertion) = identity(reader);
    let compression = reader
        .choice("compression", &[("auto", Compression::Auto), ("off", Compression::Off)])
        .unwrap_or(Compression::Auto);
    reader.parsed("dialect", |text| match text {
        "graphql-ws" | "graphql-transport-ws" | "socket.io" | "phoenix" | "stomp" | "mqtt" => {
            Err(Complaint::new(format!("the dialect {text:?} is not available yet")))
        }
        text => choose("dialect", text, &[("native", ())]),
    });
    // A stand-in, so that the other keys of a route without a path are read, too.
    let written = path.as_ref().map(|path| path.value.clone());
    let mut policy = RoutePolicy::new(written.or_else(|| RoutePath::parse("/").ok())?);
    who(reader, &mut policy);
    carriers::carriers(reader, auth, &mut policy);
    carriers::connections(reader, known, &policy);
    carriers::nonces(reader, &mut policy);
    if issuers.iter().any(|&at| written_issuers.get(at).is_some_and(IssuerWritten::is_asked)) {
        step_up::unasked(reader, &policy);
    }
    let sessions = carriers::sessions(reader, auth, &policy);
    spans(reader, &mut policy);
    manners(reader, &mut policy);
    let place = path?.place;
    let upstreams = upstreams?;
    let issuers = issuers.into();
    let hosts: Vec<_> = policy.hosts.iter().map(Host::to_string).collect();
    let binding = format!("{} {}", policy.path.as_str(), hosts.join(",")).into();
    // Known when all issuers are.
    let issuer_names = Box::default();
    let route = Route {
        policy,
        issuers,
        certificates,
        issuer_names,
        binding,
        upstreams,
        identity,
        assertion,
        compression,
        sessions,
    };
    Some(RouteWritten { route, place })
}

/// Reports routes that another one hides: same path, and a host in common.
pub(super) fn compare(earlier: &[RouteWritten], new: &RouteWritten) -> Option<Fault> {
    let RouteWritten { route, place } = new;
    let hosts = &route.policy.hosts;
    for other in earlier.iter().filter(|other| other.route.policy.path == route.policy.path) {
        let taken = &other.route.policy.hosts;
        let message = match (taken.is_empty(), hosts.is_empty()) {
            (true, true) => format!("there are two routes for {:?}", route.policy.path.as_str()),
            // A route for some hosts, and behind it one for all the others.
            (false, true) => continue,
            (true, false) => {
                let message = "this route is never reached: the one before it has the same path \
                               and every host";
                let fault = Fault::new(message, place.clone());
                let fault = fault.related(other.place.clone(), "the other one");
                return Some(fault.help("put the route with `hosts` before the one without"));
            }
            (false, false) => {
                let common = hosts.iter().find(|host| {
                    taken.iter().any(|other| other.covers(host) || host.covers(other))
                });
                let Some(host) = common else { continue };
                let path = route.policy.path.as_str();
                format!("there are two routes for {path:?} on {host}")
            }
        };
        let fault = Fault::new(message, place.clone());
        return Some(fault.related(other.place.clone(), "the other one"));
    }
    None
}

/// Where the route leads.
fn upstreams(reader: &mut Reader<'_>, files: &mut Files) -> Option<Vec<Upstream>> {
    let upstreams = reader.some("upstream", address::upstream);
    if reader.node("upstream").is_none() {
        reader.missing("upstream");
    }
    let ca = files.read(reader, "ca", Purpose::TrustRoots);
    let mut upstreams = upstreams?;
    let secure = upstreams.iter().any(|upstream| upstream.value.tls.is_some());
    if ca.is_some() && !secure {
        let message = "`ca` has no use: no upstream is `wss://`";
        reader.report.push(Fault::warning(message, reader.place_of("ca")));
    }
    for Written { value: upstream, place } in &mut upstreams {
        match &mut upstream.tls {
            Some(tls) => tls.ca.clone_from(&ca),
            None if address::is_loopback_name(&upstream.host) => {}
            None => {
                let message = "this upstream is not on this machine, and is reached without TLS: \
                               who sits on the way reads and writes along";
                let fault = Fault::warning(message, place.clone());
                reader.report.push(fault.help("write `wss://` where the upstream has it"));
            }
        }
    }
    Some(values(upstreams))
}

/// Whose tokens count, as indexes.
fn trusted(
    reader: &mut Reader<'_>,
    written: &[IssuerWritten],
    auth: Option<&AuthWritten>,
) -> Vec<usize> {
    let names =
        || written.iter().filter_map(IssuerWritten::name).chain(auth.map(|_| issuers::LOCAL));
    let local = written.len();
    let list = reader.some("issuers", |text| {
        let found = written.iter().position(|issuer| issuer.name() == Some(text));
        let found = found.or_else(|| (auth.is_some() && text == issuers::LOCAL).then_some(local));
        found.ok_or_else(|| {
            let complaint = Complaint::new(format!("there is no issuer called {text:?}"));
            match suggest::nearest(text, names()) {
                Some(name) => complaint.help(format!("did you mean {name:?}?")),
                None if written.is_empty() => complaint,
                None => complaint.help(format!("there is {}", suggest::join(names()))),
            }
        })
    });
    list.map_or_else(|| (0..local + usize::from(auth.is_some())).collect(), values)
}

/// Which certificates count, as indexes.
fn mapped(reader: &mut Reader<'_>, written: &[CertificatesWritten]) -> Box<[usize]> {
    let names = || written.iter().filter_map(CertificatesWritten::name);
    let list = reader.some("certificates", |text| {
        let found = written.iter().position(|one| one.name() == Some(text));
        found.ok_or_else(|| {
            let complaint =
                Complaint::new(format!("there are no [[certificates]] called {text:?}"));
            match suggest::nearest(text, names()) {
                Some(name) => complaint.help(format!("did you mean {name:?}?")),
                None if written.is_empty() => complaint,
                None => complaint.help(format!("there is {}", suggest::join(names()))),
            }
        })
    });
    list.map_or_else(|| (0..written.len()).collect(), values)
}

/// Who may ask: hosts, origins, scopes.
fn who(reader: &mut Reader<'_>, policy: &mut RoutePolicy) {
    let hosts = reader.some("hosts", |text| {
        Host::parse(text.as_bytes()).ok_or_else(|| {
            let complaint = Complaint::new(format!("{text:?} is no host"));
            complaint.help("write it like `ws.example.com` or `ws.example.com:8443`")
        })
    });
    policy.hosts = hosts.map(values).unwrap_or_default();
    let mut origins = OriginPolicy::default();
    let written = reader.some("origins", |text| {
        let rule = OriginPolicy::default().with(text).map_err(|fault| {
            let complaint = Complaint::new(format!("{text:?} is no origin"));
            complaint.help(fault.to_string())
        })?;
        // What parses alone parses together with others.
        if let Ok(more) = std::mem::take(&mut origins).with(text) {
            origins = more;
        }
        Ok(rule.is_open())
    });
    policy.origins = origins;
    if let Some(written) = &written
        && let Some(open) = written.iter().find(|origin| origin.value)
        && written.len() > 1
    {
        let message = "`*` is every page already";
        reader.report.push(Fault::warning(message, open.place.clone()));
    }
    let scopes = reader.some("scopes", scope);
    policy.scopes = scopes.map(values).unwrap_or_default();
    policy.assurance = step_up::assurance(reader);
}

/// One scope (RFC 6749 section 3.3).
pub(super) fn scope(text: &str) -> Result<Box<str>, Complaint> {
    let legal = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~');
    if text.is_empty() || !text.chars().all(legal) {
        let complaint = Complaint::new(format!("{text:?} is no scope (RFC 6749 section 3.3)"));
        return Err(complaint.help("write each scope as a string of its own, without spaces"));
    }
    Ok(text.into())
}

/// Every span of time.
fn spans(reader: &mut Reader<'_>, policy: &mut RoutePolicy) {
    let short = Duration::from_millis(100);
    let deadline = reader.duration("auth_deadline", short..=Duration::from_mins(5));
    let grace = reader.duration("expiry_grace", Duration::ZERO..=HOUR);
    let warning = reader.duration("expiry_warning", Duration::ZERO..=HOUR);
    let lifetime = reader.duration("max_lifetime", short..=YEAR);
    let idle = reader.duration("idle_timeout", short..=YEAR);
    if let Some(deadline) = deadline {
        policy.auth_deadline = deadline.value;
    }
    if let Some(grace) = &grace {
        policy.expiry_grace = grace.value;
    }
    if let Some(warning) = &warning {
        policy.expiry_warning = warning.value;
    }
    if let (true, Some(span)) =
        (policy.expiry_warning < policy.expiry_grace, warning.as_ref().or(grace.as_ref()))
    {
        let message = "clients are told only after their credential has expired: `expiry_warning` \
                       counts from the end of `expiry_grace`, and is shorter";
        let fault = Fault::warning(message, span.place.clone());
        reader.report.push(fault.help("make `expiry_warning` longer than `expiry_grace`"));
    }
    policy.max_lifetime = lifetime.map(|span| span.value);
    policy.idle_timeout = idle.map(|span| span.value);
}

/// How the gateway talks.
fn manners(reader: &mut Reader<'_>, policy: &mut RoutePolicy) {
    let styles =
        [("auto", RejectStyle::Auto), ("http", RejectStyle::Http), ("close", RejectStyle::Close)];
    if let Some(style) = reader.choice("reject", &styles) {
        policy.reject = style;
    }
    if reader.flag("announce") == Some(true) {
        policy.announce = Announce::Yes;
        if !policy.accept.contains(&Carrier::Message) {
            let message = "`announce` tells clients to authenticate in band, and `accept` does not \
                           have `message`";
            reader.report.push(Fault::warning(message, reader.place_of("announce")));
        }
    }
    let subprotocols = reader.some("subprotocols", |text| {
        if !is_token(text) {
            let message = format!("{text:?} is no subprotocol (RFC 6455 section 4.1)");
            return Err(Complaint::new(message));
        }
        let carries = ["vestibule.bearer.", "base64url.bearer."];
        if text.eq_ignore_ascii_case("bearer") || carries.iter().any(|it| text.starts_with(it)) {
            let message = format!("{text:?} carries credentials, and is never the upstream's");
            return Err(Complaint::new(message));
        }
        Ok(text.into())
    });
    policy.subprotocols = subprotocols.map(values).unwrap_or_default();
    policy.close_codes = close_codes(reader);
    if reader.flag("forward_credential") == Some(true) {
        policy.forward_credential = ForwardCredential::Yes;
    }
}

/// What the upstream is told.
fn identity(reader: &mut Reader<'_>) -> (IdentityPreset, Assertion) {
    let presets = [
        ("vestibule", IdentityPreset::Vestibule),
        ("oauth2-proxy", IdentityPreset::Oauth2Proxy),
        ("authelia", IdentityPreset::Authelia),
        ("none", IdentityPreset::None),
    ];
    let preset = reader.choice("identity", &presets).unwrap_or(IdentityPreset::Vestibule);
    let assertion =
        reader.choice("assertion", &[("signed", Assertion::Signed), ("off", Assertion::Off)]);
    let assertion = assertion.unwrap_or(match preset {
        IdentityPreset::None => Assertion::Off,
        IdentityPreset::Vestibule | IdentityPreset::Oauth2Proxy | IdentityPreset::Authelia => {
            Assertion::Signed
        }
    });
    (preset, assertion)
}

/// Close codes that are sent as others.
fn close_codes(reader: &mut Reader<'_>) -> CloseCodes {
    let mut codes = CloseCodes::default();
    let Some(node) = reader.node("close_codes") else { return codes };
    let Value::Table(table) = &node.value else {
        reader.wrong_type("close_codes", node);
        return codes;
    };
    for Entry { key, place, node } in &table.entries {
        let (from, to) = (key.parse::<u16>(), integer(&node.value).map(u16::try_from));
        let fault = match (from, to) {
            (Ok(from), Some(Ok(to))) => match codes.clone().with(from, to) {
                Ok(more) => {
                    codes = more;
                    continue;
                }
                Err(fault @ CloseCodeFault::NotSendable(_)) => {
                    Fault::new(fault.to_string(), node.place.clone())
                }
                Err(fault @ (CloseCodeFault::Unused(_) | CloseCodeFault::Twice(_))) => {
                    Fault::new(fault.to_string(), place.clone())
                }
            },
            (Err(_), _) => Fault::new(format!("{key:?} is no close code"), place.clone()),
            (Ok(_), Some(Err(_)) | None) => {
                Fault::new("what to send instead is a close code, such as 3000", node.place.clone())
            }
        };
        reader.report.push(fault);
    }
    codes
}

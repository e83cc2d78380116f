//! `[[issuers]]`: whose tokens count.

use std::{sync::Arc, time::Duration};

use vestibule_verify::jwt::Algorithm;

use super::{
    address::{self, HttpUrl},
    fault::Fault,
    files::{Files, Purpose},
    introspection::{Asked, introspection},
    model::{DangerousHttp, IssuerConfig, KeySource},
    read::{Complaint, Reader, Written, choose, values, word},
};

const CLOCK_SKEW: Duration = Duration::from_secs(30);
const REFRESH: Duration = Duration::from_mins(5);
const MAX_STALE: Duration = Duration::from_hours(24);

/// Shortest secret in bytes: as long as the hash (RFC 7518 section 3.2).
fn least_secret(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Hs512 => 64,
        Algorithm::Hs384 => 48,
        Algorithm::Hs256
        | Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::EdDsa => 32,
    }
}

/// Reads the name of an algorithm.
pub(super) fn algorithm(text: &str) -> Result<Algorithm, Complaint> {
    if let Some(algorithm) = Algorithm::from_name(text) {
        return Ok(algorithm);
    }
    let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| (algorithm.name(), ())).collect();
    let Err(complaint) = choose("algorithms", text, &names) else {
        return Err(Complaint::new("not an algorithm"));
    };
    Err(complaint)
}

/// One table: what it is called, and what it means; `None` for what could not be read, and was
/// reported.
#[derive(Debug)]
pub(super) struct IssuerWritten {
    pub(super) name: Option<Written<Box<str>>>,
    pub(super) issuer: Option<IssuerConfig>,
}

impl IssuerWritten {
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &*name.value)
    }

    /// Whether it is asked about each token.
    pub(super) fn is_asked(&self) -> bool {
        let source = self.issuer.as_ref().map(|issuer| &issuer.source);
        matches!(source, Some(KeySource::Introspection(_)))
    }
}

/// What routes call the gateway's own tokens.
pub(super) const LOCAL: &str = "local";

/// Nobody else may be called so beside them.
pub(super) fn called_local(written: &IssuerWritten) -> Option<Fault> {
    let name = written.name.as_ref().filter(|name| &*name.value == LOCAL)?;
    let message = format!("`{LOCAL}` is the issuer of the gateway's own tokens");
    Some(Fault::new(message, name.place.clone()).help("call this one something else"))
}

/// Reads one table.
pub(super) fn issuer(
    reader: &mut Reader<'_>,
    earlier: &[IssuerWritten],
    files: &mut Files,
) -> IssuerWritten {
    let name = reader.parsed("name", word("the name of an issuer"));
    if name.is_none() && reader.node("name").is_none() {
        reader.missing("name");
    }
    let twin = earlier.iter().filter_map(|other| other.name.as_ref());
    if let Some(name) = &name
        && let Some(twin) = twin.clone().find(|other| other.value == name.value)
    {
        let message = format!("there are two issuers called {:?}", name.value);
        let fault = Fault::new(message, name.place.clone());
        reader.report.push(fault.related(twin.place.clone(), "the first one"));
    }
    let issuer = described(reader, name.as_ref().map(|name| &*name.value), files);
    IssuerWritten { name, issuer }
}

fn described(
    reader: &mut Reader<'_>,
    name: Option<&str>,
    files: &mut Files,
) -> Option<IssuerConfig> {
    let issuer = reader.parsed("issuer", word("an issuer"));
    let algorithms = reader.some("algorithms", algorithm);
    let http = match reader.flag("dangerous_allow_http") {
        Some(true) => {
            let message = "`dangerous_allow_http`: whoever sits on the way to this issuer can make \
                           keys of his own count";
            let place = reader.place_of("dangerous_allow_http");
            reader.report.push(Fault::warning(message, place));
            DangerousHttp::Allowed
        }
        Some(false) | None => DangerousHttp::Refused,
    };
    let source = match introspection(reader, http, files) {
        Asked::Yes(asked) => asked.map(KeySource::Introspection),
        Asked::No => source(reader, issuer.as_ref(), algorithms.as_deref(), http, files),
    };
    if let (Some(source), Some(algorithms)) = (&source, &algorithms) {
        check_algorithms(reader, source, algorithms);
    }
    let audiences = reader.list("audiences", word("an audience"));
    // What could not be read was reported.
    if audiences.as_ref().map_or_else(|| reader.node("audiences").is_none(), Vec::is_empty) {
        let message = "`aud` is not looked at: a token that this issuer made for another service \
                       is let in";
        let fault = Fault::warning(message, reader.place_of("audiences"));
        reader.report.push(fault.help("write `audiences = [\"…\"]`"));
    }
    let is_asked = matches!(source, Some(KeySource::Introspection(_)));
    if issuer.is_none() && reader.node("issuer").is_none() && source.is_some() && !is_asked {
        let message = "`iss` is not looked at: whatever these keys have signed is let in";
        let fault = Fault::warning(message, reader.place.clone());
        reader.report.push(fault.help("write `issuer = \"…\"`"));
    }
    let mut algorithms: Vec<Algorithm> = algorithms.map(values).unwrap_or_default();
    if algorithms.is_empty() && matches!(source, Some(KeySource::SecretFile(_))) {
        algorithms.push(Algorithm::Hs256);
    }
    let asked = reader.node("introspection_url").is_some();
    let (refresh, max_stale) = if asked { (REFRESH, MAX_STALE) } else { freshness(reader) };
    let claim = word("the name of a claim");
    let mut claim = |key| reader.parsed(key, claim).map(|written| written.value);
    let (subject_claim, scope_claim) = (claim("subject_claim"), claim("scope_claim"));
    let groups_claim = claim("groups_claim");
    let types = reader.some("types", |text| match text {
        "" => Ok("".into()),
        text => word("a type of token")(text),
    });
    let clock_skew = reader.duration("clock_skew", Duration::ZERO..=Duration::from_mins(10));
    let ca = files.read(reader, "ca", Purpose::TrustRoots);
    Some(IssuerConfig {
        name: Arc::from(name?),
        issuer: issuer.map(|issuer| Arc::from(issuer.value)),
        source: source?,
        audiences: audiences.map(values).unwrap_or_default(),
        algorithms: algorithms.into(),
        clock_skew: clock_skew.map_or(CLOCK_SKEW, |skew| skew.value),
        types: types.map(values),
        subject_claim,
        scope_claim,
        groups_claim,
        ca,
        http,
        refresh,
        max_stale,
    })
}

type Algorithms = [Written<Algorithm>];

/// Where the keys are: exactly one place.
fn source(
    reader: &mut Reader<'_>,
    issuer: Option<&Written<Box<str>>>,
    algorithms: Option<&Algorithms>,
    http: DangerousHttp,
    files: &mut Files,
) -> Option<KeySource> {
    let least = algorithms
        .into_iter()
        .flatten()
        .map(|written| least_secret(written.value))
        .max()
        .unwrap_or(32);
    let keys = ["jwks_url", "jwks_file", "secret_file"];
    let written: Vec<&str> = keys.into_iter().filter(|key| reader.node(key).is_some()).collect();
    if let [first, second, ..] = written.as_slice() {
        let message = format!("`{first}` and `{second}` both say where the keys are");
        let fault = Fault::new(message, reader.place_of(second));
        reader.report.push(fault.related(reader.place_of(first), "the other one"));
    }
    let file = KeySource::JwksFile;
    let url = reader.parsed("jwks_url", |text| fetchable(text, http).map(|()| text.into()));
    let jwks = files.read(reader, "jwks_file", Purpose::Jwks);
    let secret = files.read(reader, "secret_file", Purpose::Secret(least));
    let source = url
        .map(|url| KeySource::JwksUrl(url.value))
        .or_else(|| jwks.map(file))
        .or_else(|| secret.map(KeySource::SecretFile));
    match (source, written.is_empty(), issuer) {
        (Some(source), _, _) => {
            let fetched = matches!(source, KeySource::JwksUrl(_));
            if !fetched {
                without_use(reader, "ca");
                without_use(reader, "refresh");
                without_use(reader, "max_stale");
                without_use(reader, "dangerous_allow_http");
            }
            Some(source)
        }
        (None, false, _) => None,
        (None, true, Some(issuer)) => match fetchable(&issuer.value, http) {
            Ok(()) => Some(KeySource::Discovery),
            Err(complaint) => {
                let fault = complaint.at(&issuer.place, reader.report);
                let label = "without `jwks_url`, `jwks_file` or `secret_file`, keys come from here";
                reader.report.push(fault.label(label));
                None
            }
        },
        (None, true, None) => {
            if reader.node("issuer").is_none() {
                let message = "the issuer does not say where its keys are";
                let fault = Fault::new(message, reader.place.clone());
                reader.report.push(fault.help(
                    "write `issuer` (its metadata name them), `jwks_url`, `jwks_file` or \
                     `secret_file`; or `introspection_url`, where it is to be asked",
                ));
            }
            None
        }
    }
}

fn without_use(reader: &mut Reader<'_>, key: &str) {
    if let Some(node) = reader.node(key) {
        let message = format!("`{key}` has no use where the keys are in a file");
        reader.report.push(Fault::warning(message, node.place.clone()));
    }
}

/// Judges an address from which keys are fetched.
fn fetchable(text: &str, http: DangerousHttp) -> Result<(), Complaint> {
    let HttpUrl { scheme, host } = address::http_url(text)?;
    match (scheme, http) {
        (address::Scheme::Https, _) | (address::Scheme::Http, DangerousHttp::Allowed) => Ok(()),
        (address::Scheme::Http, DangerousHttp::Refused) if address::is_loopback(&host) => Ok(()),
        (address::Scheme::Http, DangerousHttp::Refused) => Err(Complaint::new(
            "keys are not fetched without TLS: who sits on the way could put in \
                                his own",
        )
        .help("write `https://`; or, where the way is safe, `dangerous_allow_http = true`")),
    }
}

/// A secret with signatures, or public keys with HMAC: with the latter, everybody who knows the
/// public key can make tokens.
fn check_algorithms(reader: &mut Reader<'_>, source: &KeySource, algorithms: &Algorithms) {
    for Written { value: algorithm, place } in algorithms {
        let name = algorithm.name();
        let public = match source {
            KeySource::SecretFile(_) => false,
            KeySource::JwksFile(_) | KeySource::JwksUrl(_) | KeySource::Discovery => true,
            // There it has no use, which was said.
            KeySource::Introspection(_) => continue,
        };
        let message = match (public, algorithm.is_symmetric()) {
            (true, false) | (false, true) => continue,
            (false, false) => format!("{name} needs a public key, and `secret_file` is a secret"),
            (true, true) => format!("{name} needs a secret, and a JWK set is public"),
        };
        let help = match source {
            KeySource::SecretFile(_) => "with a secret there is `HS256`, `HS384` and `HS512`",
            KeySource::JwksFile(_)
            | KeySource::JwksUrl(_)
            | KeySource::Discovery
            | KeySource::Introspection(_) => "for HMAC write `secret_file`",
        };
        reader.report.push(Fault::new(message, place.clone()).help(help));
    }
}

fn freshness(reader: &mut Reader<'_>) -> (Duration, Duration) {
    let (short, week) = (Duration::from_millis(100), Duration::from_hours(7 * 24));
    let refresh = reader.duration("refresh", short..=Duration::from_hours(24));
    let max_stale = reader.duration("max_stale", short..=week);
    if let (Some(refresh), Some(max_stale)) = (&refresh, &max_stale)
        && max_stale.value < refresh.value
    {
        let message = "`max_stale` is less than `refresh`: the keys would be thrown away before \
                       they are fetched again";
        let fault = Fault::new(message, max_stale.place.clone());
        reader.report.push(fault.related(refresh.place.clone(), "when they are fetched"));
    }
    let max_stale = max_stale.map_or(MAX_STALE, |stale| stale.value);
    (refresh.map_or_else(|| REFRESH.min(max_stale), |refresh| refresh.value), max_stale)
}

//! Issuers that are asked about each token (RFC 7662), in `[[issuers]]`.

use std::time::Duration;

use super::{
    address::{self, HttpUrl},
    fault::Fault,
    files::{Files, Purpose},
    model::{DangerousHttp, Introspection, IntrospectionLogin},
    read::{Complaint, Reader, word},
};

const CACHE: Duration = Duration::from_secs(10);
const RECHECK: Duration = Duration::from_mins(1);
const MAX_LIFETIME: Duration = Duration::from_hours(1);
const TIMEOUT: Duration = Duration::from_secs(3);
const RATE: u32 = 200;

/// The key that makes an issuer one that is asked.
const URL: &str = "introspection_url";
/// Keys that mean something beside it alone.
const ITS: [&str; 8] = [
    "client_id",
    "client_secret_file",
    "token_file",
    "cache",
    "recheck",
    "max_lifetime",
    "timeout",
    "rate",
];
/// Keys that say where keys are.
const KEYS: [&str; 3] = ["jwks_url", "jwks_file", "secret_file"];

/// Whether an issuer is asked.
#[derive(Debug)]
pub(super) enum Asked {
    No,
    /// `None` where that could not be read, and was reported.
    Yes(Option<Introspection>),
}

/// Reads what is written about asking.
pub(super) fn introspection(
    reader: &mut Reader<'_>,
    http: DangerousHttp,
    files: &mut Files,
) -> Asked {
    if reader.node(URL).is_none() {
        for key in ITS {
            if let Some(node) = reader.node(key) {
                let message = format!("`{key}` has no use without `{URL}`");
                let fault = Fault::warning(message, node.place.clone());
                reader.report.push(fault.help(format!("write `{URL} = \"https://…\"`")));
            }
        }
        return Asked::No;
    }
    for key in KEYS {
        if reader.node(key).is_some() {
            let message = format!("`{key}` and `{URL}` exclude each other");
            let fault = Fault::new(message, reader.place_of(key));
            let fault = fault.related(reader.place_of(URL), "the other one");
            reader.report.push(fault.help(
                "an issuer has keys, or is asked about each token; write two `[[issuers]]` where \
                 it does both",
            ));
        }
    }
    for key in ["algorithms", "refresh"] {
        if let Some(node) = reader.node(key) {
            let message = format!("`{key}` has no use where the issuer is asked");
            reader.report.push(Fault::warning(message, node.place.clone()));
        }
    }
    let url = reader.parsed(URL, |text| askable(text, http).map(|()| text.into()));
    let login = login(reader, files);
    let mut span = |key, least, most| reader.duration(key, least..=most);
    let short = Duration::from_millis(100);
    let cache = span("cache", Duration::ZERO, Duration::from_mins(5));
    let recheck = span("recheck", short, Duration::from_hours(24));
    let max_lifetime = span("max_lifetime", Duration::from_secs(1), Duration::from_hours(30 * 24));
    let timeout = span("timeout", short, Duration::from_secs(30));
    let max_stale = span("max_stale", short, Duration::from_hours(7 * 24));
    let rate = reader.integer("rate", 1..=100_000);
    let every = recheck.as_ref().map_or(RECHECK, |recheck| recheck.value);
    if let Some(stale) = max_stale.as_ref().filter(|stale| stale.value < every) {
        let message = "`max_stale` is less than `recheck`: connections would be closed before \
                       their tokens are asked about again";
        reader.report.push(Fault::new(message, stale.place.clone()));
    }
    let described = |url, login| Introspection {
        url,
        login,
        cache: cache.map_or(CACHE, |cache| cache.value),
        recheck: every,
        max_stale: max_stale.map(|stale| stale.value),
        max_lifetime: max_lifetime.map_or(MAX_LIFETIME, |span| span.value),
        timeout: timeout.map_or(TIMEOUT, |timeout| timeout.value),
        rate: rate.unwrap_or(RATE),
    };
    Asked::Yes(url.zip(login).map(|(url, login)| described(url.value, login)))
}

/// How the issuer knows who asks: exactly one way.
fn login(reader: &mut Reader<'_>, files: &mut Files) -> Option<IntrospectionLogin> {
    let client_id = reader.parsed("client_id", word("the name of a client"));
    let secret_file = files.read(reader, "client_secret_file", Purpose::ClientSecret);
    let token_file = files.read(reader, "token_file", Purpose::ClientToken);
    let [id, secret, token] =
        ["client_id", "client_secret_file", "token_file"].map(|key| reader.node(key).is_some());
    let fault = match (id, secret, token) {
        (true, true, false) | (false, false, true) => None,
        (true, _, true) | (_, true, true) => {
            let place = reader.place_of("token_file");
            Some(Fault::new("`token_file` and `client_id` exclude each other", place))
        }
        (true, false, false) => {
            let place = reader.place_of("client_id");
            let fault = Fault::new("`client_id` is there, and `client_secret_file` is not", place);
            Some(fault.help("write `client_secret_file = \"introspection.secret\"`"))
        }
        (false, true, false) => {
            let place = reader.place_of("client_secret_file");
            let fault = Fault::new("`client_secret_file` is there, and `client_id` is not", place);
            Some(fault.help("write `client_id = \"…\"`, as the issuer calls the gateway"))
        }
        (false, false, false) => {
            let message = "the issuer cannot know who asks (RFC 7662 section 2.1)";
            let fault = Fault::new(message, reader.place_of(URL));
            Some(fault.help("write `client_id` and `client_secret_file`, or `token_file`"))
        }
    };
    if let Some(fault) = fault {
        reader.report.push(fault);
        return None;
    }
    match (client_id, secret_file, token_file) {
        (Some(id), Some(secret_file), None) => {
            Some(IntrospectionLogin::Basic { client_id: id.value, secret_file })
        }
        (None, None, Some(token_file)) => Some(IntrospectionLogin::Bearer { token_file }),
        // What could not be read was reported.
        (_, _, _) => None,
    }
}

/// Judges an address at which an issuer is asked.
fn askable(text: &str, http: DangerousHttp) -> Result<(), Complaint> {
    let HttpUrl { scheme, host } = address::http_url(text)?;
    match (scheme, http) {
        (address::Scheme::Https, _) | (address::Scheme::Http, DangerousHttp::Allowed) => Ok(()),
        (address::Scheme::Http, DangerousHttp::Refused) if address::is_loopback(&host) => Ok(()),
        (address::Scheme::Http, DangerousHttp::Refused) => Err(Complaint::new(
            "an issuer is not asked without TLS: who sits on the way could read every token, and \
             say yes to his own",
        )
        .help("write `https://`; or, where the way is safe, `dangerous_allow_http = true`")),
    }
}

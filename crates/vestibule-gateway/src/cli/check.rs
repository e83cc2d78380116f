//! `vestibule check`: everything that is wrong with a configuration; or, in a few lines, what it
//! means.

use std::{io, io::Write, path::Path};

use vestibule_core::{authn::Mechanism, policy::RoutePolicy};
use vestibule_verify::certificate::{Mapping, Pattern};

use super::{CommandError, Exit, FILE, Named, World, configures};
use crate::config::{
    Admin, Auth, Config, IssuerConfig, KeySource, RawConfig, Report, Route, Server, Severity, Store,
};

/// Checks.
pub(super) fn run(named: &Named, world: &mut World<'_>) -> Result<Exit, CommandError> {
    let environment = world.environment.clone();
    let (config, report) = if named.is_absent() && configures(&environment) {
        RawConfig::parse(FILE, "").with_environment(environment).check()
    } else {
        Config::check(named.path(), environment)
    };
    write!(world.error, "{}", report.render(world.colour))?;
    let Some(config) = config else {
        writeln!(world.error, "{}", count(&report, named.path()))?;
        return Ok(Exit::Configuration);
    };
    summary(&config, world.output)?;
    writeln!(world.output, "{}", count(&report, named.path()))?;
    world.output.flush()?;
    Ok(Exit::Fine)
}

/// The last line: how many faults and warnings.
pub(super) fn count(report: &Report, path: &Path) -> String {
    let several = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let faults = several(report.count(Severity::Fault), "fault");
    let warnings = several(report.count(Severity::Warning), "warning");
    let path = path.display();
    match (report.count(Severity::Fault), report.count(Severity::Warning)) {
        (0, 0) => format!("{path} is fine"),
        (0, _) => format!("{path} can be used; {warnings}"),
        (_, 0) => format!("{path} cannot be used: {faults}"),
        (_, _) => format!("{path} cannot be used: {faults}, {warnings}"),
    }
}

/// One line for each listener, issuer and route.
fn summary(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let Config { server, log: _, issuers, certificates, routes, store, auth, admin } = config;
    let Server { listen, tls, trusted_proxies, workers, .. } = server;
    for address in listen {
        let how = if tls.is_some() { "wss" } else { "ws" };
        write!(out, "listener  {how}://{address}, {workers} workers")?;
        if !trusted_proxies.is_empty() {
            write!(out, ", behind {}", join(trusted_proxies))?;
        }
        writeln!(out)?;
    }
    if let Some(Admin { listen, token_file: _, audit_log: _ }) = admin {
        writeln!(out, "admin     http://{listen}")?;
    }
    match store {
        Store::Embedded(path) => writeln!(out, "store     {}", path.display())?,
        Store::Memory => {}
    }
    if let Some(Auth { path, issuer, .. }) = auth {
        writeln!(out, "identity  {path}, of issuer {issuer}")?;
    }
    for issuer in issuers {
        writeln!(out, "issuer    {}", about_issuer(issuer))?;
    }
    for mapping in certificates {
        writeln!(out, "clients   {}", about_certificates(mapping))?;
    }
    for route in routes {
        writeln!(out, "route     {}", about_route(route, config))?;
    }
    Ok(())
}

fn about_issuer(issuer: &IssuerConfig) -> String {
    let IssuerConfig { name, issuer, source, audiences, algorithms, .. } = issuer;
    let keys = match source {
        KeySource::JwksFile(path) => format!("keys in {}", path.display()),
        KeySource::SecretFile(path) => format!("secret in {}", path.display()),
        KeySource::JwksUrl(url) => format!("keys at {url}"),
        KeySource::Discovery => "keys by discovery".to_owned(),
        KeySource::Introspection(asked) => format!("asked at {}", asked.url),
    };
    let who = issuer.as_deref().unwrap_or("any `iss`");
    let audiences = match audiences.as_ref() {
        [] => "any `aud`".to_owned(),
        some => format!("for {}", join(some)),
    };
    let algorithms = match algorithms.as_ref() {
        [] => String::new(),
        some => format!(", {}", join(some.iter().map(|algorithm| algorithm.name()))),
    };
    format!("{name}: {who}, {audiences}, {keys}{algorithms}")
}

fn about_certificates(mapping: &Mapping) -> String {
    let Mapping { name, issuer, subject_from, allowed, scopes: _, groups: _ } = mapping;
    let allowed = join(allowed.iter().map(Pattern::as_str));
    format!("{name}: certificates by {}, of {allowed}, as issuer {issuer}", subject_from.name())
}

fn about_route(route: &Route, config: &Config) -> String {
    let Config { issuers, certificates, .. } = config;
    let Route { policy, issuers: trusted, certificates: mapped, upstreams, .. } = route;
    let RoutePolicy { path, hosts, accept, mechanisms, scopes, .. } = policy;
    let upstreams = upstreams.iter().map(|upstream| {
        let scheme = if upstream.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}{}", upstream.authority(), upstream.path)
    });
    let hosts = if hosts.is_empty() { String::new() } else { format!(" on {}", join(hosts)) };
    let names = trusted.iter().map(|index| issuers.get(*index).map_or("local", |one| &one.name));
    let mapped = if mechanisms.contains(&Mechanism::External) { mapped } else { &[][..] };
    let mapped = mapped.iter().filter_map(|index| Some(&*certificates.get(*index)?.name));
    let names = names.chain(mapped);
    let scopes =
        if scopes.is_empty() { String::new() } else { format!(", scopes {}", join(scopes)) };
    format!(
        "{}{hosts} to {}: {} by {} of {}{scopes}",
        path.as_str(),
        join(upstreams),
        join(mechanisms.iter().map(|mechanism| mechanism.name())),
        join(accept.iter().map(|carrier| carrier.name())),
        join(names),
    )
}

fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

//! From what was configured about issuers to what the authority needs to know.

use std::sync::Arc;

use vestibule_authority::{
    DangerousHttp, FetchPolicy, Issuer, KeySource,
    introspection::{Introspection, Login},
};
use vestibule_verify::jwt::{Expectations, IdTokens};

use crate::config::{self, Config, IssuerConfig};

/// In the order of the configuration: routes refer to them by their place.
pub(super) fn of(config: &Config) -> Vec<Issuer> {
    config.issuers.iter().map(issuer).collect()
}

fn issuer(config: &IssuerConfig) -> Issuer {
    Issuer {
        name: Arc::clone(&config.name),
        source: source(config),
        expectations: expectations(config),
    }
}

fn source(config: &IssuerConfig) -> KeySource {
    match &config.source {
        config::KeySource::JwksFile(path) => KeySource::JwksFile(path.clone()),
        config::KeySource::SecretFile(path) => KeySource::SecretFile(path.clone()),
        config::KeySource::JwksUrl(url) => {
            KeySource::JwksUrl { url: url.clone(), fetch: fetch(config) }
        }
        config::KeySource::Discovery => KeySource::Discovery {
            // The configuration is refused where it is missing.
            issuer: config.issuer.clone().unwrap_or_else(|| Arc::clone(&config.name)),
            fetch: fetch(config),
        },
        config::KeySource::Introspection(asked) => {
            KeySource::Introspection(Box::new(introspection(asked, config)))
        }
    }
}

fn introspection(asked: &config::Introspection, config: &IssuerConfig) -> Introspection {
    let config::Introspection {
        url,
        login,
        cache,
        recheck,
        max_stale,
        max_lifetime,
        timeout,
        rate,
    } = asked;
    let login = match login.clone() {
        config::IntrospectionLogin::Basic { client_id, secret_file } => {
            Login::Basic { client_id, secret_file }
        }
        config::IntrospectionLogin::Bearer { token_file } => Login::Bearer { token_file },
    };
    Introspection {
        url: url.clone(),
        login,
        fetch: FetchPolicy { timeout: *timeout, ..fetch(config) },
        cache: *cache,
        recheck: *recheck,
        max_stale: *max_stale,
        max_lifetime: *max_lifetime,
        rate: *rate,
    }
}

fn fetch(config: &IssuerConfig) -> FetchPolicy {
    FetchPolicy {
        ca: config.ca.clone(),
        dangerous_http: match config.http {
            config::DangerousHttp::Refused => DangerousHttp::Refused,
            config::DangerousHttp::Allowed => DangerousHttp::Allowed,
        },
        refresh: config.refresh,
        max_stale: config.max_stale,
        ..FetchPolicy::default()
    }
}

fn expectations(config: &IssuerConfig) -> Expectations {
    Expectations {
        issuer: config.issuer.clone(),
        issuer_name: Arc::clone(&config.name),
        audiences: config.audiences.clone(),
        algorithms: config.algorithms.clone(),
        types: config.types.clone().unwrap_or_default(),
        id_tokens: IdTokens::Refused,
        clock_skew: config.clock_skew,
        subject_claim: config.subject_claim.clone().unwrap_or_else(|| "sub".into()),
        scope_claim: config.scope_claim.clone(),
        groups_claim: config.groups_claim.clone(),
    }
}

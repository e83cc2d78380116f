//! Counters for an operator's questions, in the Prometheus text format. No label is anything that a
//! client chose: there are as many series as there are routes, issuers and outcomes.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use vestibule_authority::{
    Readiness,
    introspection::{Observer, Outcome},
};
use vestibule_core::{authn::Mechanism, rejection::Rejection};

use super::asked::Introspections;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections that are open and authenticated.
    pub connections: Gauge,
    /// Connections that are not authenticated yet.
    pub pending: Gauge,
    /// Authenticated connections, by route and state.
    pub route_connections: Family<Live, Gauge>,
    /// Handshakes and messages that ended in a decision.
    pub decisions: Family<Decision, Counter>,
    /// Credentials that were checked.
    pub authentications: Family<Authentication, Counter>,
    /// How long checking took.
    pub authentication: Family<Way, Histogram, Fast>,
    /// What became of tickets.
    pub tickets: Family<Ticket, Counter>,
    /// Authenticated connections that ended, by reason.
    pub closed: Family<Closed, Counter>,
    /// Bytes relayed, by direction; those of a connection are added when it ends.
    pub bytes: Family<Direction, Counter<u64, AtomicU64>>,
    /// Revocations that hold.
    pub revocations: Gauge,
    /// From a revocation that is applied here to the last connection that it closed.
    pub revocation: Histogram,
    /// How long the store took.
    pub store: Family<Operation, Histogram, Fast>,
    /// When the store could not answer.
    pub store_errors: Family<Operation, Counter>,
    introspection: Introspections,
    key_set_age: Family<Issuer, Gauge>,
    key_set_keys: Family<Issuer, Gauge>,
    key_set_ready: Family<Issuer, Gauge>,
}

/// Of what state a connection is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Live {
    /// The route's path.
    pub route: String,
    /// `open`, or `closing`.
    pub state: &'static str,
}

/// `outcome` is `accepted`, `left`, or a rejection's label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Decision {
    /// The route's path; empty where none was chosen.
    pub route: String,
    /// What was decided.
    pub outcome: &'static str,
}

/// `outcome` is `accepted`, or a rejection's label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Authentication {
    /// How identity was to be proven.
    pub mechanism: &'static str,
    /// What came of it.
    pub outcome: &'static str,
}

/// How identity is proven.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Way {
    /// The mechanism's name.
    pub mechanism: &'static str,
}

/// What became of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ticket {
    /// `minted`, `redeemed`, `replayed`, `misplaced`, or `unknown`: it was never there, or is over.
    pub event: &'static str,
}

/// Why an authenticated connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Closed {
    /// A rejection's label, or who ended it where nothing was wrong: `client` or `upstream`.
    pub reason: &'static str,
}

/// Which way bytes went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Direction {
    /// `client` or `upstream`.
    pub to: &'static str,
}

/// What the store was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Operation {
    /// The operation's name.
    pub operation: &'static str,
}

/// Whose keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Issuer {
    pub(super) issuer: String,
}

/// Makes histograms for what takes microseconds to seconds.
#[derive(Clone, Copy, Debug)]
pub struct Fast;

impl MetricConstructor<Histogram> for Fast {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// Seconds.
const BUCKETS: [f64; 12] =
    [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

impl Metrics {
    /// Registers everything under the prefix `vestibule_`.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("vestibule"),
            connections: Gauge::default(),
            pending: Gauge::default(),
            route_connections: Family::default(),
            decisions: Family::default(),
            authentications: Family::default(),
            authentication: Family::new_with_constructor(Fast),
            tickets: Family::default(),
            closed: Family::default(),
            bytes: Family::default(),
            revocations: Gauge::default(),
            revocation: Histogram::new(BUCKETS),
            store: Family::new_with_constructor(Fast),
            store_errors: Family::default(),
            introspection: Introspections::new(),
            key_set_age: Family::default(),
            key_set_keys: Family::default(),
            key_set_ready: Family::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        let mut add = |name: &str, help: &str, metric: Box<dyn Register>| {
            metric.register(registry, name, help);
        };
        add("connections", "Authenticated connections", Box::new(self.connections.clone()));
        add("pending", "Connections not yet authenticated", Box::new(self.pending.clone()));
        add(
            "route_connections",
            "Authenticated connections, by route and state",
            Box::new(self.route_connections.clone()),
        );
        add("decisions", "Authentication decisions", Box::new(self.decisions.clone()));
        add(
            "authentications",
            "Credentials that were checked",
            Box::new(self.authentications.clone()),
        );
        add("tickets", "What became of tickets", Box::new(self.tickets.clone()));
        add("closed", "Authenticated connections that ended", Box::new(self.closed.clone()));
        add(
            "relayed_bytes",
            "Bytes relayed by connections that ended",
            Box::new(self.bytes.clone()),
        );
        add("revocations", "Revocations that hold", Box::new(self.revocations.clone()));
        add(
            "store_errors",
            "Questions that the store could not answer",
            Box::new(self.store_errors.clone()),
        );
        add("key_set_keys", "Keys of an issuer that count", Box::new(self.key_set_keys.clone()));
        add(
            "key_set_ready",
            "Whether tokens of an issuer can be verified",
            Box::new(self.key_set_ready.clone()),
        );
        let mut add = |name: &str, help: &str, metric: Box<dyn Register>| {
            metric.register_seconds(registry, name, help);
        };
        add("authentication", "Time to check a credential", Box::new(self.authentication.clone()));
        add(
            "revocation",
            "Time from a revocation to the last connection that it closed",
            Box::new(self.revocation.clone()),
        );
        add("store", "Time that the store took", Box::new(self.store.clone()));
        add(
            "key_set_age",
            "Time since the keys of an issuer were last read or fetched",
            Box::new(self.key_set_age.clone()),
        );
        self.introspection.register(registry);
        self
    }

    /// A credential was checked: for how long, and with what result.
    pub fn checked(&self, mechanism: Mechanism, result: Result<(), Rejection>, span: Duration) {
        let outcome = result.map_or_else(Rejection::label, |()| "accepted");
        let name = mechanism.name();
        self.authentications.get_or_create(&Authentication { mechanism: name, outcome }).inc();
        self.authentication.get_or_create(&Way { mechanism: name }).observe(span.as_secs_f64());
        if mechanism == Mechanism::Ticket {
            let event = match outcome {
                "accepted" => "redeemed",
                "ticket_replayed" => "replayed",
                "ticket_misplaced" => "misplaced",
                "ticket_expired" => "expired",
                "ticket_unknown" | "token_malformed" => "unknown",
                _ => return,
            };
            self.ticket(event);
        }
    }

    /// Something became of a ticket.
    pub fn ticket(&self, event: &'static str) {
        self.tickets.get_or_create(&Ticket { event }).inc();
    }

    /// What is looked at when somebody asks: revocations that hold; tokens that are asked about
    /// again, and their connections.
    pub fn look(&self, issuers: &[Readiness], revocations: usize, rechecks: (usize, usize)) {
        self.revocations.set(whole(u64::try_from(revocations).unwrap_or(u64::MAX)));
        self.introspection.look(issuers, rechecks);
        for readiness in issuers {
            let issuer = Issuer { issuer: readiness.name.as_ref().to_owned() };
            // It has none, and is asked.
            if readiness.circuit.is_some() {
                continue;
            }
            let keys = u64::try_from(readiness.keys).unwrap_or(u64::MAX);
            self.key_set_keys.get_or_create(&issuer).set(whole(keys));
            self.key_set_ready.get_or_create(&issuer).set(i64::from(readiness.is_ready()));
            match readiness.last_success {
                Some(age) => {
                    self.key_set_age.get_or_create(&issuer).set(whole(age.as_secs()));
                }
                // Keys that were never had have no age.
                None => {
                    self.key_set_age.remove(&issuer);
                }
            }
        }
    }

    /// The text of `GET /metrics`.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

impl Observer for Metrics {
    fn asked(&self, issuer: &str, outcome: Outcome, span: Duration) {
        self.introspection.asked(issuer, outcome, span);
    }
}

pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What can be registered.
trait Register {
    fn register(self: Box<Self>, registry: &mut Registry, name: &str, help: &str);
    fn register_seconds(self: Box<Self>, registry: &mut Registry, name: &str, help: &str);
}

impl<M: prometheus_client::registry::Metric> Register for M {
    fn register(self: Box<Self>, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, *self);
    }

    fn register_seconds(self: Box<Self>, registry: &mut Registry, name: &str, help: &str) {
        registry.register_with_unit(name, help, Unit::Seconds, *self);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use vestibule_authority::introspection::Circuit;

    use super::*;

    /// Every name that a query can use.
    fn names() -> BTreeSet<String> {
        let metrics = Metrics::new();
        let label = Operation { operation: "read" };
        metrics.checked(Mechanism::Ticket, Ok(()), Duration::from_millis(1));
        metrics.checked(Mechanism::Bearer, Err(Rejection::TokenExpired), Duration::ZERO);
        metrics.store.get_or_create(&label).observe(0.1);
        metrics.store_errors.get_or_create(&label).inc();
        metrics.revocation.observe(0.1);
        metrics.bytes.get_or_create(&Direction { to: "client" }).inc();
        metrics.closed.get_or_create(&Closed { reason: "client" }).inc();
        let route = String::from("/");
        metrics
            .route_connections
            .get_or_create(&Live { route: route.clone(), state: "open" })
            .inc();
        metrics.decisions.get_or_create(&Decision { route, outcome: "left" }).inc();
        let readiness = Readiness {
            name: "idp".into(),
            kind: "jwks_file",
            state: vestibule_authority::KeyState::Ready,
            keys: 1,
            age: None,
            last_success: Some(Duration::from_secs(7)),
            last_error: None,
            circuit: None,
        };
        let asked = Readiness {
            name: "asked".into(),
            kind: "introspection",
            circuit: Some(Circuit::Open),
            ..readiness.clone()
        };
        metrics.asked("asked", Outcome::Active, Duration::ZERO);
        metrics.look(&[readiness, asked], 0, (0, 0));
        let text = metrics.render();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned)).collect()
    }

    fn queries(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let ("expr", Value::String(query)) = (&**name, value) {
                        found.push(query.clone());
                    }
                    queries(value, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_query_of_the_dashboard_names_a_metric_that_exists() {
        let dashboard = include_str!("../../../../docs/operate/grafana.json");
        let (mut found, names) = (Vec::new(), names());
        queries(&serde_json::from_str(dashboard).unwrap(), &mut found);
        assert!(found.len() > 10, "{} queries", found.len());
        let mut used = BTreeSet::new();
        for query in &found {
            let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let ours: Vec<_> = words.filter(|word| word.starts_with("vestibule_")).collect();
            assert!(!ours.is_empty(), "{query}");
            for name in ours {
                assert!(names.contains(name), "{name} of {query} is none of {names:?}");
                used.insert(name.trim_end_matches("_bucket").to_owned());
            }
        }
        // And every metric is on it somewhere.
        for name in &names {
            let base = name.trim_end_matches("_bucket").trim_end_matches("_sum");
            let base = base.trim_end_matches("_count");
            assert!(used.iter().any(|used| used.starts_with(base)), "{name} is not shown");
        }
    }

    #[test]
    fn the_page_of_the_operator_names_every_metric() {
        let page = include_str!("../../../../docs/operate/README.md");
        for name in names() {
            let base = name.trim_end_matches("_bucket").trim_end_matches("_sum");
            let base = base.trim_end_matches("_count");
            assert!(page.contains(base), "{base} is not on the page");
        }
    }
}

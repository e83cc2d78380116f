//! Counters for an operator's questions, in the Prometheus text format.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections that are open and authenticated.
    pub connections: Gauge,
    /// Connections that are not authenticated yet.
    pub pending: Gauge,
    /// Handshakes and messages that ended in a decision.
    pub decisions: Family<Decision, Counter>,
    /// Authenticated connections that ended, by reason.
    pub closed: Family<Closed, Counter>,
    /// Bytes relayed, by direction; those of a connection are added when it ends.
    pub bytes: Family<Direction, Counter<u64, AtomicU64>>,
}

/// `outcome` is `accepted`, `left`, or a rejection's label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Decision {
    /// The route's path; empty where none was chosen.
    pub route: String,
    /// What was decided.
    pub outcome: &'static str,
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

impl Metrics {
    /// Registers everything under the prefix `vestibule_`.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("vestibule");
        let connections = Gauge::default();
        let pending = Gauge::default();
        let decisions = Family::<Decision, Counter>::default();
        let closed = Family::<Closed, Counter>::default();
        let bytes = Family::<Direction, Counter<u64, AtomicU64>>::default();
        registry.register("connections", "Authenticated connections", connections.clone());
        registry.register("pending", "Connections not yet authenticated", pending.clone());
        registry.register("decisions", "Authentication decisions", decisions.clone());
        registry.register("closed", "Authenticated connections that ended", closed.clone());
        registry.register(
            "relayed_bytes",
            "Bytes relayed by connections that ended",
            bytes.clone(),
        );
        Self { registry, connections, pending, decisions, closed, bytes }
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

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

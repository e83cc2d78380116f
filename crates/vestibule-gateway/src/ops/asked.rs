//! What is counted about issuers that are asked about tokens.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use vestibule_authority::{
    Readiness,
    introspection::{Circuit, Outcome},
};

use super::metrics::{Fast, Issuer, whole};

/// All of it.
#[derive(Debug)]
pub(super) struct Introspections {
    questions: Family<Asked, Counter>,
    times: Family<Issuer, Histogram, Fast>,
    breaker: Family<Issuer, Gauge>,
    tokens: Gauge,
    connections: Gauge,
}

/// What became of a question about a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    issuer: String,
    outcome: &'static str,
}

impl Introspections {
    pub(super) fn new() -> Self {
        Self {
            questions: Family::default(),
            times: Family::new_with_constructor(Fast),
            breaker: Family::default(),
            tokens: Gauge::default(),
            connections: Gauge::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { questions, times, breaker, tokens, connections } = self;
        let help = "Questions to an issuer about a token";
        registry.register("introspections", help, questions.clone());
        let help = "Time for an issuer to answer about a token";
        registry.register_with_unit("introspection", help, Unit::Seconds, times.clone());
        let help =
            "Whether an issuer is asked: 0 it is, 1 one question finds out, 2 it is left alone";
        registry.register("introspection_breaker", help, breaker.clone());
        let help = "Tokens of live connections that are asked about again";
        registry.register("introspection_tokens", help, tokens.clone());
        let help = "Live connections by tokens that are asked about again";
        registry.register("introspection_connections", help, connections.clone());
    }

    /// A question is over, or was not put.
    pub(super) fn asked(&self, issuer: &str, outcome: Outcome, span: Duration) {
        let issuer = issuer.to_owned();
        let asked = Asked { issuer: issuer.clone(), outcome: outcome.label() };
        self.questions.get_or_create(&asked).inc();
        match outcome {
            Outcome::Active | Outcome::Inactive | Outcome::Failed => {
                self.times.get_or_create_owned(&Issuer { issuer }).observe(span.as_secs_f64());
            }
            // Nobody was asked.
            Outcome::Limited | Outcome::Broken => {}
        }
    }

    /// What is looked at when somebody asks: the state of issuers; tokens that are asked about
    /// again, and their connections.
    pub(super) fn look(&self, issuers: &[Readiness], (tokens, connections): (usize, usize)) {
        let count = |number: usize| whole(u64::try_from(number).unwrap_or(u64::MAX));
        self.tokens.set(count(tokens));
        self.connections.set(count(connections));
        for readiness in issuers {
            let Some(circuit) = readiness.circuit else { continue };
            let state = match circuit {
                Circuit::Closed => 0,
                Circuit::HalfOpen => 1,
                Circuit::Open => 2,
            };
            let issuer = Issuer { issuer: readiness.name.as_ref().to_owned() };
            self.breaker.get_or_create(&issuer).set(state);
        }
    }
}

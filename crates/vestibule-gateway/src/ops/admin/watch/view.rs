//! What a watcher knows already.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Api, connections::shown, model};
use crate::{
    limits,
    serve::connections::{Filter, Page},
};

/// The connections that were told of.
#[derive(Debug, Default)]
pub(super) struct View {
    known: BTreeMap<Box<str>, Known>,
    round: u64,
}

/// What can change of a connection, as it was told; and when it was last there.
#[derive(Debug)]
struct Known {
    lease: Lease,
    traffic: (u64, u64),
    round: u64,
}

/// When it ends by itself, by which credential, and whether a second proof is owed or was shown.
#[derive(Clone, Debug)]
struct Lease {
    expires: i64,
    ends: Option<i64>,
    token: Option<Box<str>>,
    owed: Option<i64>,
    shown: Option<i64>,
}

impl Lease {
    /// The end of a lease is a span from now: told in whole seconds, it may be one more or less.
    fn is_as(&self, other: &Self) -> bool {
        let Self { expires, ends, token, owed, shown } = self;
        let is_near = |one: Option<i64>, other: Option<i64>| match (one, other) {
            (Some(one), Some(other)) => one.abs_diff(other) <= 1,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        is_near(*ends, other.ends)
            && is_near(*owed, other.owed)
            && (*expires, *shown) == (other.expires, other.shown)
            && *token == other.token
    }
}

impl View {
    /// What is to be told: everything that is not known yet.
    pub(super) async fn told(&mut self, api: &Api) -> Value {
        let page = Page { after: None, limit: limits::WATCHED };
        let (found, next) = api.shared.connections.list(Filter::default(), page).await;
        let connections = found.iter().map(shown);
        let (put, moved, gone) = self.changes(connections);
        json!({ "watch": {
            "time": api.shared.clock.now().wall.as_secs(),
            "status": api.status().await,
            "more": next.is_some(),
            "put": put,
            "moved": moved,
            "gone": gone,
        } })
    }

    fn changes(
        &mut self,
        connections: impl Iterator<Item = model::Connection>,
    ) -> (Vec<model::Connection>, Vec<Value>, Vec<Box<str>>) {
        let Self { known, round } = self;
        *round = round.saturating_add(1);
        let (mut put, mut moved) = (Vec::new(), Vec::new());
        for connection in connections {
            let model::Connection { expires, lease_ends: ends, to_client, to_upstream, .. } =
                connection;
            let (owed, shown) = (connection.step_up_due, connection.stepped_up);
            let lease = Lease { expires, ends, token: connection.token.clone(), owed, shown };
            let traffic = (to_client, to_upstream);
            let id = connection.id.clone();
            match known.get_mut(&id) {
                Some(known) if known.lease.is_as(&lease) => {
                    if known.traffic != traffic {
                        moved.push(json!([id, to_client, to_upstream]));
                        known.traffic = traffic;
                    }
                    known.round = *round;
                }
                Some(_) | None => {
                    put.push(connection);
                    known.insert(id, Known { lease, traffic, round: *round });
                }
            }
        }
        let gone: Vec<_> = known
            .iter()
            .filter(|(_, known)| known.round != *round)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &gone {
            known.remove(id);
        }
        (put, moved, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: &str, expires: i64, to_client: u64) -> model::Connection {
        model::Connection {
            id: id.into(),
            subject: "alice".into(),
            issuer: "idp".into(),
            mechanism: "bearer".into(),
            methods: Vec::new(),
            context: None,
            carrier: "message".into(),
            route: "/chat".into(),
            address: "127.0.0.1".into(),
            origin: None,
            since: 1,
            expires,
            lease_ends: Some(expires),
            token: None,
            session: None,
            stepped_up: None,
            step_up_due: None,
            to_client,
            to_upstream: 0,
        }
    }

    #[test]
    fn what_is_known_is_not_told_again() {
        let mut view = View::default();
        let mut told = |now: Vec<model::Connection>| {
            let (put, moved, gone) = view.changes(now.into_iter());
            let put: Vec<_> = put.iter().map(|one| one.id.to_string()).collect();
            format!("{put:?} {} {gone:?}", Value::from(moved))
        };
        assert_eq!(told(vec![one("a", 9, 0), one("b", 9, 0)]), r#"["a", "b"] [] []"#);
        assert_eq!(told(vec![one("a", 9, 0), one("b", 9, 0)]), "[] [] []");
        assert_eq!(told(vec![one("a", 9, 5), one("b", 8, 0)]), r#"["b"] [["a",5,0]] []"#);
        let mut later = one("a", 9, 5);
        later.lease_ends = Some(10);
        let closing = model::Connection { lease_ends: None, ..one("b", 8, 0) };
        assert_eq!(told(vec![later, closing]), r#"["b"] [] []"#);
        assert_eq!(told(vec![one("c", 9, 0)]), r#"["c"] [] ["a", "b"]"#);
        assert_eq!(told(vec![]), r#"[] [] ["c"]"#);
    }
}

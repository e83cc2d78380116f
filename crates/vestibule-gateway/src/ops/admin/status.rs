//! How the gateway is doing, as JSON: what `/readyz` and `/metrics` say, for programs and the console.

use std::collections::BTreeMap;

use vestibule_authority::Readiness;

use super::{
    Api, model,
    ready::{self, Judged},
};
use crate::serve::Shared;

/// The text of `/metrics`, as of now.
pub(super) fn metrics(shared: &Shared) -> String {
    let revocations = shared.kept.revocations.len();
    shared.metrics.look(&shared.authority.readiness(), revocations, shared.rechecks.len());
    shared.metrics.render()
}

impl Api {
    /// Everything.
    pub(super) async fn status(&self) -> model::Status {
        let phase = *self.phase.borrow();
        let Judged { word, issuers, .. } = ready::judge(&self.shared, phase).await;
        model::Status {
            state: word.into(),
            issuers: issuers.iter().map(key_set).collect(),
            metrics: metrics(&self.shared).lines().filter_map(sample).collect(),
        }
    }
}

fn key_set(readiness: &Readiness) -> model::KeySet {
    let Readiness { name, kind, state, keys, age, last_success, last_error, circuit: _ } =
        readiness;
    model::KeySet {
        name: name.as_ref().into(),
        kind: (*kind).into(),
        state: state.to_string().into(),
        keys: u64::try_from(*keys).unwrap_or(u64::MAX),
        age: age.map(|age| age.as_secs()),
        last_success: last_success.map(|age| age.as_secs()),
        last_error: last_error.as_deref().map(Into::into),
    }
}

/// Reads a line of the text that we have written ourselves; `None` for a comment.
fn sample(line: &str) -> Option<model::Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at_checked(end)?;
    if name.is_empty() || name == "#" {
        return None;
    }
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(mut inside) = rest.strip_prefix('{') {
        while !inside.starts_with('}') {
            let (label, behind) = inside.split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            labels.insert(label.into(), value.into());
            inside = behind.strip_prefix(',').unwrap_or(behind);
        }
        rest = inside.strip_prefix('}')?;
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(model::Sample { name: name.into(), labels, value })
}

/// A label's value up to the quote that ends it, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_metrics_is_a_name_its_labels_and_a_value() {
        let read = |line| sample(line).map(|sample| serde_json::to_value(sample).unwrap());
        assert_eq!(
            read("vestibule_connections 3"),
            Some(
                serde_json::json!({ "name": "vestibule_connections", "labels": {}, "value": 3.0 })
            )
        );
        assert_eq!(
            read(r#"a_bucket{le="+Inf",route="/a\"b\\,=\n{}"} 0.25"#),
            Some(serde_json::json!({
                "name": "a_bucket", "labels": { "le": "+Inf", "route": "/a\"b\\,=\n{}" }, "value": 0.25
            }))
        );
        for other in ["# HELP a b.", "# EOF", "", "a{b=\"", "a{b=\"c\"}", "a x"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}

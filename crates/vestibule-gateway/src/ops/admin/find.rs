//! From a request line to a row of the table.

use http::Method;

use super::{
    percent::decode,
    table::{OPERATIONS, Operation},
};

/// What a path and a method lead to.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// This, with what stands for the `{…}`.
    Operation(&'static Operation, Option<Box<str>>),
    /// The path takes other methods.
    OtherMethod,
    /// Nothing is there.
    Nothing,
}

/// Finds the row. Where a path is written out in one row and stands for `{…}` in another, the first
/// in the table counts.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let mut found = Found::Nothing;
    for operation in OPERATIONS {
        let argument = match fit(operation.path, path) {
            Fit::No => continue,
            Fit::Whole => None,
            Fit::With(argument) => Some(argument),
        };
        if operation.method == method {
            return Found::Operation(operation, argument);
        }
        found = Found::OtherMethod;
    }
    found
}

/// Whether a path is one of a pattern's.
enum Fit {
    No,
    Whole,
    /// With this for the `{…}`.
    With(Box<str>),
}

fn fit(pattern: &str, path: &str) -> Fit {
    let parts = pattern
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(_, behind)| (before, behind)));
    let Some((before, behind)) = parts else {
        return if pattern == path { Fit::Whole } else { Fit::No };
    };
    let segment = path.strip_prefix(before).and_then(|path| path.strip_suffix(behind));
    let segment = segment.filter(|segment| !segment.is_empty() && !segment.contains('/'));
    segment.and_then(decode).map_or(Fit::No, |segment| Fit::With(segment.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: &Method, path: &str) -> String {
        match find(method, path) {
            Found::Operation(operation, None) => operation.name.to_owned(),
            Found::Operation(operation, Some(argument)) => format!("{} {argument}", operation.name),
            Found::OtherMethod => "other method".to_owned(),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_path_leads_to_one_operation() {
        for (method, path, wanted) in [
            (Method::GET, "/api/v1/connections", "connections.list"),
            (Method::POST, "/api/v1/connections", "other method"),
            (Method::POST, "/api/v1/connections/close", "connections.close"),
            (Method::GET, "/api/v1/connections/c-1", "connection.show c-1"),
            (Method::DELETE, "/api/v1/connections/a%2Fb", "connection.close a/b"),
            (Method::DELETE, "/api/v1/connections/a%2", "nothing"),
            (Method::DELETE, "/api/v1/connections/%ff", "nothing"),
            (Method::GET, "/api/v1/connections/", "nothing"),
            (Method::GET, "/api/v1/connections/a/b", "nothing"),
            (Method::POST, "/api/v1/connections/c-1/step-up", "connection.step-up c-1"),
            (Method::POST, "/api/v1/connections//step-up", "nothing"),
            (Method::GET, "/api/v1", "nothing"),
        ] {
            assert_eq!(name(&method, path), wanted, "{method} {path}");
        }
    }
}

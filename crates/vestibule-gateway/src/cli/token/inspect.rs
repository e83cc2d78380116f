//! `vestibule token inspect`: what a token says.

use std::ffi::OsString;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use vestibule_core::time::UnixTime;
use vestibule_verify::jwt::{self, Contents};

use super::{CommandError, Exit, World, for_each_token, times};

/// Claims that are dates (RFC 7519 section 4.1, OpenID Connect Core 1.0 section 2).
const DATES: &[&str] = &["exp", "nbf", "iat", "auth_time"];

/// Options of `vestibule token inspect`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Tokens; without any, they are read from standard input, one a line
    #[arg(value_name = "TOKEN")]
    tokens: Vec<OsString>,
}

#[derive(Serialize)]
struct Shown {
    header: Value,
    claims: Value,
    #[serde(skip_serializing_if = "Map::is_empty")]
    dates: Map<String, Value>,
}

/// Shows tokens.
pub(super) fn run(options: Options, world: &mut World<'_>) -> Result<Exit, CommandError> {
    let World { environment: _, now, input, output, error, colour: _ } = world;
    let mut exit = Exit::Fine;
    let count = for_each_token(options.tokens, *input, |token| {
        let Contents { header, claims } = match jwt::inspect(token) {
            Ok(contents) => contents,
            Err(refused) => {
                exit = Exit::Refused;
                return writeln!(error, "vestibule: not a token: {refused}");
            }
        };
        let dates = dates(&claims, *now);
        let shown = serde_json::to_string_pretty(&Shown { header, claims, dates });
        writeln!(output, "{}", shown.unwrap_or_default())?;
        output.flush()?;
        writeln!(error, "not verified: anybody can write such a token")
    })?;
    if count == 0 {
        return Err(CommandError::Other("there is no token".to_owned()));
    }
    Ok(exit)
}

fn dates(claims: &Value, now: UnixTime) -> Map<String, Value> {
    let words = |name: &&str| {
        let claim = claims.get(*name)?;
        // The fraction of a second does not matter to people.
        let digits = claim.as_number()?.to_string();
        let seconds = digits.split('.').next()?.parse().ok()?;
        Some(((*name).to_owned(), times::words(seconds, now)?.into()))
    };
    DATES.iter().filter_map(words).collect()
}

//! A configuration is text that somebody wrote: whatever it is, it is understood or refused, and
//! the refusal can be shown. The first line is the environment, `KEY=value` separated by commas.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_gateway::config::{Colour, Config};

fuzz_target!(|input: &str| {
    let (variables, text) = input.split_once('\n').unwrap_or(("", input));
    let environment = variables.split(',').filter_map(|variable| {
        let (name, value) = variable.split_once('=')?;
        Some((format!("VESTIBULE_{name}").into(), value.into()))
    });
    let report = match Config::parse("folder/vestibule.toml", text, environment) {
        Ok(loaded) => {
            assert!(!loaded.report.is_fatal());
            assert!(!loaded.config.routes.is_empty());
            let issuers = loaded.config.issuers.len();
            let known = |route: &std::sync::Arc<vestibule_gateway::config::Route>| {
                !route.upstreams.is_empty()
                    && !route.issuers.is_empty()
                    && route.issuers.iter().all(|index| *index < issuers)
            };
            assert!(loaded.config.routes.iter().all(known));
            loaded.report
        }
        Err(report) => {
            assert!(report.is_fatal());
            report
        }
    };
    let _plain = report.render(Colour::Plain);
    let _styled = report.render(Colour::Styled);
});

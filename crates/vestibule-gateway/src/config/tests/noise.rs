//! Nothing that is written can make the reader fall over.

use proptest::prelude::*;

use super::*;

const HEADERS: &[&str] = &[
    "[server]",
    "[log]",
    "[[issuers]]",
    "[[certificates]]",
    "[[routes]]",
    "[admin]",
    "[server.tls]",
];

/// Reads, looks nowhere, and renders in both ways.
fn survive(text: &str, environment: Vec<(OsString, OsString)>) {
    let report = match Config::parse("dir/vestibule.toml", text, environment) {
        Ok(loaded) => loaded.report,
        Err(report) => report,
    };
    let _plain = report.render(Colour::Plain);
    let _styled = report.render(Colour::Styled);
    for fault in report.faults() {
        let _place = report.position(fault);
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("''".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("[['x'], 1]".to_owned()),
        Just("-1".to_owned()),
        Just("0xffffffffffffffffff".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("nan".to_owned()),
        Just("\"\"\"\nä\nb\"\"\"".to_owned()),
        Just("{ 4401 = 3000, a = { b = 1 } }".to_owned()),
        "[ -~äß€😀]{0,20}".prop_map(|text| format!("{text:?}")),
        "[a-z:/@.*0-9]{0,30}".prop_map(|text| format!("['{text}', '{text}']")),
        "(ws|wss|http|https)://[a-z@:\\[\\]./?#]{0,20}".prop_map(|text| format!("'{text}'")),
        "[0-9]{0,22}(ns|ms|s|m|h|y| )".prop_map(|text| format!("'{text}'")),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(KEYS).prop_map(|key| key.name.to_owned());
    let key = prop_oneof![4 => key, 1 => "[a-z_]{1,12}", 1 => "\"[ -!#-\\[\\]-~]{0,8}\""];
    prop_oneof![
        1 => prop::sample::select(HEADERS).prop_map(str::to_owned),
        6 => (key, value()).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC*") {
        survive(&text, Vec::new());
    }

    #[test]
    fn any_bytes_that_are_text(bytes in prop::collection::vec(any::<char>(), 0..200)) {
        survive(&bytes.into_iter().collect::<String>(), Vec::new());
    }

    #[test]
    fn almost_a_configuration(lines in prop::collection::vec(line(), 0..24)) {
        survive(&lines.join("\n"), Vec::new());
    }

    #[test]
    fn any_environment(
        list in prop::collection::vec(
            ("VESTIBULE_(SERVER|ROUTES|ISSUERS|LOG|é)__(0|1|99999999999999999999|TLS|LISTEN)?(__)?(LISTEN|CERT|PATH|HOSTS|[A-Z_é]{0,8})", "\\PC{0,20}"),
            0..8,
        )
    ) {
        let list = list.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        survive(ROUTE, list);
    }
}

#[test]
fn deep_nesting() {
    survive(&format!("x = {}", "[".repeat(100_000)), Vec::new());
    survive(&format!("x = {}", "{a=".repeat(100_000)), Vec::new());
    survive(&format!("{} = 1", "a.".repeat(10_000)), Vec::new());
    survive(&"[[routes]]\n".repeat(20_000), Vec::new());
}

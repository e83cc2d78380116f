//! What the operator writes, and what becomes of their mistakes.

use std::{path::Path, process::Command};

use vestibule_testkit::{Handshake, Issuer, Output, Setup, Upstream, run};

use crate::rig::{Outcome, Rig, binary, http, no};

fn vestibule(arguments: &[&str], config: &Path) -> anyhow::Result<Output> {
    let mut command = Command::new(binary());
    command.args(arguments).arg("-c").arg(config).env_remove("RUST_LOG");
    run(command, "")
}

/// A configuration without a fault.
fn fine() -> anyhow::Result<Setup> {
    let issuer = Issuer::new("https://id.example.com")?;
    Ok(Setup::new()?.issuer("idp", &issuer, "")?.route("/ws", "ws://127.0.0.1:9/x", ""))
}

#[test]
fn a_configuration_that_is_fine_says_so() -> Outcome {
    let setup = fine()?;
    let config = setup.file("vestibule.toml", setup.text())?;
    let checked = vestibule(&["check"], &config)?;
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.contains("/ws"), "{checked:?}");
    Ok(())
}

#[test]
fn a_faulty_configuration_does_not_start() -> Outcome {
    let setup = fine()?;
    let text = "\
[server]
lsiten = \"127.0.0.1:0\"
workers = \"many\"

[[issuers]]
name = \"idp\"
jwks_file = \"missing.json\"

[[routes]]
path = \"ws\"
upstream = \"http://127.0.0.1:9\"
origins = [\"*\"]
accept = [\"cookie\", \"pigeon\"]
cookie = \"session\"
";
    let config = setup.file("faulty.toml", text)?;
    for command in ["check", "serve"] {
        let output = vestibule(&[command], &config)?;
        assert_eq!(output.code, 78, "{output:?}");
        let said = &output.stderr;
        // All of them at once, each with its place.
        for place in [":2:1", ":3:11", ":10:8", ":11:12", ":13:21"] {
            assert!(
                said.contains(&format!("faulty.toml{place}")),
                "{command}: no {place} in {said}"
            );
        }
        assert!(said.contains("listen"), "no suggestion in {said}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    Ok(())
}

#[test]
fn every_single_fault_is_found() -> Outcome {
    let setup = fine()?;
    let good = setup.text();
    let route = |lines: &str| {
        good.replace(
            "upstream = \"ws://127.0.0.1:9/x\"\n",
            &format!("upstream = \"ws://127.0.0.1:9/x\"\n{lines}\n"),
        )
    };
    let server = |lines: &str| good.replace("workers = 1\n", &format!("workers = 1\n{lines}\n"));
    let issuer =
        |lines: &str| good.replace("name = \"idp\"\n", &format!("name = \"idp\"\n{lines}\n"));
    let faults = [
        ("not TOML", "[server\n".to_owned()),
        ("an unknown table", format!("{good}[surprise]\n")),
        ("an unknown key", route("color = \"red\"")),
        ("a key twice", route("accept = []\naccept = []")),
        ("no carrier", route("accept = []")),
        ("an unknown carrier", route("accept = [\"tls\"]")),
        ("an unknown mechanism", route("mechanisms = [\"ticket\"]")),
        ("an unknown issuer", route("issuers = [\"nobody\"]")),
        ("an unknown dialect", route("dialect = \"klingon\"")),
        ("a cookie without its name", route("accept = [\"cookie\"]")),
        (
            "a cookie for every page",
            route("accept = [\"cookie\"]\ncookie = \"s\"\norigins = [\"*\"]"),
        ),
        ("an origin with a path", route("origins = [\"https://a.example/\"]")),
        ("a query without the danger", route("accept = [\"query\"]")),
        ("a duration without a unit", route("auth_deadline = 5")),
        ("a negative duration", route("auth_deadline = \"-5s\"")),
        ("an unknown preset", route("identity = \"nginx\"")),
        ("a close code that is taken", route("close_codes = { 4401 = 1006 }")),
        ("no workers", server("pending = 0")),
        ("a proxy that is no address", server("trusted_proxies = [\"proxy\"]")),
        ("half of a certificate", server("tls = { cert = \"cert.pem\" }")),
        ("a certificate that is not there", server("tls = { cert = \"c.pem\", key = \"k.pem\" }")),
        ("two sources of keys", issuer("jwks_url = \"https://id.example.com/keys\"")),
        (
            "keys without TLS",
            good.replace("jwks_file", "jwks_url").replace(
                &format!("{}/idp.jwks", setup.folder().display()),
                "http://id.example.com/keys",
            ),
        ),
        ("an algorithm that is none", issuer("algorithms = [\"none\"]")),
        (
            "no issuer",
            good[..good.find("[[issuers]]").unwrap()].to_owned()
                + &good[good.find("[[routes]]").unwrap()..],
        ),
        ("no route", good[..good.find("[[routes]]").unwrap()].to_owned()),
        ("the same route twice", format!("{good}{}", &good[good.find("[[routes]]").unwrap()..])),
        ("an upstream that is none", good.replace("ws://127.0.0.1:9/x", "tcp://127.0.0.1:9")),
        ("a path that is none", good.replace("path = \"/ws\"", "path = \"/a/../b\"")),
    ];
    let mut missed = Vec::new();
    for (what, text) in faults {
        assert_ne!(text, good, "{what}");
        let config = setup.file("fault.toml", &text)?;
        let output = vestibule(&["check"], &config)?;
        if output.code != 78 || !output.stderr.contains("fault.toml") {
            missed.push(format!("{what}: {output:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_a_fault_of_the_configuration() -> Outcome {
    let output = vestibule(&["check"], Path::new("/nowhere/vestibule.toml"))?;
    assert_eq!(output.code, 78, "{output:?}");
    assert!(output.stderr.contains("/nowhere/vestibule.toml"), "{output:?}");
    Ok(())
}

#[test]
fn an_environment_variable_goes_before_the_file() -> Outcome {
    let rig = Rig::with(r#"accept = ["header"]"#, |setup| {
        setup
            .variable("VESTIBULE_ROUTES__0__SCOPES", "chat, admin")
            .variable("VESTIBULE_ROUTES__0__PATH", "/renamed")
            .variable("VESTIBULE_SERVER__WORKERS", "2")
    })?;
    let mut old = rig.send(&rig.good()?)?;
    assert_eq!(no(&mut old)?, http(404, "route_not_found"));
    let mut renamed = rig.send(&Handshake::to("/renamed").bearer(&rig.token()?))?;
    assert_eq!(no(&mut renamed)?, http(403, "insufficient_scope"));
    Ok(())
}

#[test]
fn a_faulty_environment_variable_is_a_fault_with_a_name() -> Outcome {
    let setup = fine()?;
    let config = setup.file("vestibule.toml", setup.text())?;
    let mut command = Command::new(binary());
    command.arg("check").arg("-c").arg(config).env("VESTIBULE_SERVER__WORKERS", "many");
    let output = run(command, "")?;
    assert_eq!(output.code, 78, "{output:?}");
    assert!(output.stderr.contains("VESTIBULE_SERVER__WORKERS"), "{output:?}");
    Ok(())
}

#[test]
fn a_dangerous_switch_is_named_at_the_start() -> Outcome {
    let route = "accept = [\"query\"]\ndangerous_token_in_query = true\n";
    let rig = Rig::with(route, |setup| setup.level("warn,vestibule=info"))?;
    let line = rig.gateway.log().wait_for("dangerous_token_in_query")?;
    assert!(line.to_ascii_lowercase().contains("warn"), "{line}");
    Ok(())
}

#[test]
fn an_address_that_is_taken_is_a_failure_and_not_a_fault() -> Outcome {
    let taken = Upstream::start()?;
    let setup = fine()?;
    let text =
        setup.text().replace("127.0.0.1:0\"\nworkers", &format!("{}\"\nworkers", taken.address()));
    let config = setup.file("vestibule.toml", text)?;
    let output = vestibule(&["serve"], &config)?;
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains(&taken.address().to_string()), "{output:?}");
    Ok(())
}

#[test]
fn a_secret_in_a_faulty_configuration_is_not_repeated() -> Outcome {
    let setup = fine()?;
    let text =
        setup.text().replace("name = \"idp\"\n", "name = \"idp\"\nsecret = \"hunter2-hunter2\"\n");
    let config = setup.file("vestibule.toml", text)?;
    let output = vestibule(&["check"], &config)?;
    assert_eq!(output.code, 78, "{output:?}");
    assert!(!output.stderr.contains("hunter2"), "{output:?}");
    Ok(())
}

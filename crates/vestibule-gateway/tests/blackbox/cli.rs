//! The commands beside `serve`.

use std::process::Command;

use serde_json::Value;
use vestibule_testkit::{Echo, Issuer, Key, KeyKind, Output, Setup, run};

use crate::rig::{Outcome, Rig, binary};

fn vestibule(arguments: &[&str], input: &str) -> anyhow::Result<Output> {
    let mut command = Command::new(binary());
    command.args(arguments);
    run(command, input)
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_so() -> Outcome {
    for arguments in [&["dance"][..], &["check", "--loudly"], &["token"], &["connect"], &[]] {
        let output = vestibule(arguments, "")?;
        assert_eq!(output.code, 64, "{arguments:?}: {output:?}");
        assert!(output.stderr.contains("Usage"), "{output:?}");
    }
    Ok(())
}

#[test]
fn help_and_version_are_results() -> Outcome {
    let version = vestibule(&["--version"], "")?;
    assert_eq!(version.code, 0);
    assert!(version.stdout.starts_with("vestibule "), "{version:?}");
    let help = vestibule(&["--help"], "")?;
    assert_eq!(help.code, 0);
    for command in ["serve", "check", "init", "demo", "token", "connect"] {
        assert!(help.stdout.contains(command), "no {command} in {}", help.stdout);
    }
    Ok(())
}

#[test]
fn what_init_writes_is_fine_once_its_files_are_there() -> Outcome {
    let setup = Setup::new()?;
    let path = setup.folder().join("made.toml").display().to_string();
    let made = vestibule(&["init", "--output", &path], "")?;
    assert_eq!(made.code, 0, "{made:?}");
    let checked = vestibule(&["check", "-c", &path], "")?;
    assert_eq!(checked.code, 0, "{checked:?}");
    let again = vestibule(&["init", "--output", &path], "")?;
    assert_eq!(again.code, 1, "{again:?}");
    let printed = vestibule(&["init"], "")?;
    assert_eq!(printed.stdout.trim_end(), std::fs::read_to_string(&path)?.trim_end());
    Ok(())
}

#[test]
fn token_verify_says_what_the_gateway_would() -> Outcome {
    let setup = Setup::new()?;
    let issuer = Issuer::new("https://id.example.com")?;
    let jwks = setup.file("keys.json", issuer.jwks().to_string())?.display().to_string();
    let check = |tokens: &str| {
        vestibule(
            &[
                "token",
                "verify",
                "--jwks",
                &jwks,
                "--issuer",
                &issuer.url,
                "--audience",
                &issuer.audience,
            ],
            tokens,
        )
    };
    let good = check(&issuer.token("alice")?)?;
    assert_eq!(good.code, 0, "{good:?}");
    let said: Value = serde_json::from_str(&good.stdout)?;
    assert_eq!((&said["valid"], &said["subject"]), (&true.into(), &"alice".into()));
    let mixed = check(&format!("{}\n{}\n", issuer.token("bob")?, issuer.forged("mallory")?))?;
    assert_eq!(mixed.code, 2, "{mixed:?}");
    let lines: Vec<Value> =
        mixed.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!((&lines[0]["valid"], &lines[1]["valid"]), (&true.into(), &false.into()));
    assert_eq!(
        (&lines[1]["error"], &lines[1]["label"]),
        (&"invalid_token".into(), &"token_signature".into())
    );
    let expired = check(&issuer.token_for("alice", -90.0)?)?;
    assert!(expired.stdout.contains("token_expired"), "{expired:?}");
    assert_eq!(check("nonsense\n")?.code, 2);
    Ok(())
}

#[test]
fn a_minted_token_opens_a_route() -> Outcome {
    let secret = Issuer::with_key("https://hmac.example", Key::generate(KeyKind::Secret, "s")?)?;
    let rig =
        Rig::with(r#"accept = ["header"]"#, |setup| setup.issuer("hmac", &secret, "").unwrap())?;
    let file = rig.setup.folder().join("hmac.secret").display().to_string();
    let minted = vestibule(
        &[
            "token",
            "mint",
            "--secret",
            &file,
            "--subject",
            "alice",
            "--issuer",
            &secret.url,
            "--audience",
            &secret.audience,
        ],
        "",
    )?;
    assert_eq!(minted.code, 0, "{minted:?}");
    let token = minted.stdout.trim();
    let head = rig.asked(&vestibule_testkit::Handshake::to("/ws").bearer(token))?;
    assert_eq!(head.one("x-vestibule-subject"), Some("alice"));
    let seen = vestibule(&["token", "inspect"], token)?;
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(seen.stdout.contains("\"alice\""), "{seen:?}");
    Ok(())
}

#[test]
fn connect_authenticates_by_every_carrier() -> Outcome {
    let echo = Echo::start()?;
    let rig = Rig::with(r#"accept = ["header"]"#, |setup| {
        setup.route(
            "/echo",
            &echo.url(),
            "accept = [\"header\", \"subprotocol\", \"message\", \"cookie\"]\ncookie = \"session\"\n\
             origins = [\"https://app.example.com\"]",
        )
    })?;
    let url = format!("ws://{}/echo", rig.gateway.address());
    let token = rig.setup.file("token", format!("{}\n", rig.token()?))?.display().to_string();
    for carrier in ["header", "subprotocol", "message", "cookie"] {
        let mut arguments =
            vec!["connect", &url, "--token-file", &token, "--carrier", carrier, "--once", "hello"];
        if carrier == "cookie" {
            arguments.extend(["--cookie-name", "session", "--origin", "https://app.example.com"]);
        }
        let output = vestibule(&arguments, "")?;
        assert_eq!(output.code, 0, "{carrier}: {output:?}");
        assert!(output.stdout.contains("hello"), "{carrier}: {output:?}");
    }
    let bad = rig.setup.file("bad", rig.issuer.forged("alice")?)?.display().to_string();
    for carrier in ["header", "message"] {
        let arguments =
            ["connect", &url, "--token-file", &bad, "--carrier", carrier, "--once", "hello"];
        let output = vestibule(&arguments, "")?;
        assert_eq!(output.code, 2, "{carrier}: {output:?}");
        assert!(output.stderr.contains("invalid_token"), "{carrier}: {output:?}");
    }
    Ok(())
}

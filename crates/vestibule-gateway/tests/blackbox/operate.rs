//! The operator's commands, against a gateway that runs.

use std::process::Command;

use serde_json::Value;
use vestibule_testkit::{Handshake, Output, eventually, run};

use crate::{
    admin::{ALL, inside, open},
    rig::{Outcome, Rig, binary, close, closed, converse, http, no},
};

/// Runs a command that reaches the gateway of the rig.
fn operate(rig: &Rig, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
    let mut command = Command::new(binary());
    let token = rig.setup.folder().join("admin.token");
    command.args(arguments).arg("--admin").arg(rig.gateway.admin().to_string());
    command.arg("--token-file").arg(token).env("USER", "olga").env_remove("SUDO_USER");
    run(command, input)
}

fn json(output: &Output) -> anyhow::Result<Value> {
    anyhow::ensure!(output.code == 0, "{output:?}");
    Ok(serde_json::from_str(&output.stdout)?)
}

#[test]
fn connections_are_listed_shown_and_closed() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut alice, _one) = open(&rig, "alice")?;
    let (mut bob, mut two) = open(&rig, "b\u{1b}[31mob")?;
    inside(&rig, 2)?;
    for list in [&["connections"][..], &["connections", "list"]] {
        let output = operate(&rig, list, "")?;
        assert_eq!(output.code, 0, "{output:?}");
        let lines: Vec<_> = output.stdout.lines().collect();
        assert!(lines.len() == 3 && lines[0].starts_with("CONNECTION  "), "{output:?}");
        assert!(lines[1].contains("  alice  ") && lines[1].contains("  /ws  "), "{output:?}");
        assert!(lines[2].contains("  b\\u{1b}[31mob  "), "{output:?}");
    }
    let listed = json(&operate(&rig, &["connections", "--subject", "alice", "--json"], "")?)?;
    assert_eq!(listed["connections"].as_array().map(Vec::len), Some(1), "{listed}");
    let id = listed["connections"][0]["id"].as_str().unwrap_or_default().to_owned();
    let shown = operate(&rig, &["connections", "show", &id], "")?;
    assert!(shown.code == 0 && shown.stdout.contains("subject"), "{shown:?}");
    assert_eq!(json(&operate(&rig, &["connections", "show", &id, "--json"], "")?)?["id"], id);
    let old = operate(&rig, &["connections", "list", "--older-than", "1h", "--json"], "")?;
    assert_eq!(json(&old)?["connections"], serde_json::json!([]));
    let done = operate(&rig, &["connections", "close", &id], "")?;
    assert_eq!((done.code, &*done.stdout), (0, "closed 1"), "{done:?}");
    assert_eq!(closed(&mut alice)?, close(1001, "closed_by_operator"));
    converse(&mut bob, &mut two, "still here")?;
    eventually("it is over", || Ok(operate(&rig, &["connections", "show", &id], "")?.code == 2))?;
    let all =
        operate(&rig, &["connections", "close", "--all", "--reason", "tidying", "--json"], "")?;
    assert_eq!(json(&all)?["closed"], 1);
    assert_eq!(closed(&mut bob)?, close(1001, "closed_by_operator"));
    Ok(())
}

#[test]
fn a_command_that_does_not_say_whom_closes_nobody() -> Outcome {
    let rig = Rig::new(ALL)?;
    let (mut alice, mut upstream) = open(&rig, "alice")?;
    for arguments in [
        &["connections", "close"][..],
        &["connections", "close", "--all", "--subject", "alice"],
        &["connections", "close", "c-1", "--all"],
        &["connections", "close", "--older-than", "soon"],
        &["revoke"],
        &["revoke", "--issuer", "x"],
        &["revoke", "--token", "x"],
        &["revoke", "--subject", "x", "--everything"],
        &["revoke", "--subject", "x", "--issued-before", "yesterday"],
    ] {
        let output = operate(&rig, arguments, "")?;
        assert_eq!(output.code, 64, "{arguments:?}: {output:?}");
    }
    converse(&mut alice, &mut upstream, "still here")
}

#[test]
fn who_is_revoked_is_cut_off_listed_and_let_in_again() -> Outcome {
    let rig = Rig::new(ALL)?;
    let handshake = rig.good()?;
    let (mut alice, _one) = rig.open(&handshake)?;
    let revoked = operate(&rig, &["revoke", "--subject", "alice", "--reason", "left"], "")?;
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_eq!(closed(&mut alice)?, close(4410, "token_revoked"));
    assert_eq!(no(&mut rig.send(&handshake)?)?, http(401, "token_revoked"));
    let table = operate(&rig, &["revoke", "list"], "")?;
    assert!(
        table.stdout.contains("  subject  alice  ") && table.stdout.contains("left"),
        "{table:?}"
    );
    let listed = json(&operate(&rig, &["revoke", "list", "--json"], "")?)?;
    let id = listed["revocations"][0]["id"].as_str().unwrap_or_default().to_owned();
    assert!(revoked.stdout.contains(&id), "{revoked:?}");
    let lifted = operate(&rig, &["revoke", "lift", &id], "")?;
    assert_eq!(lifted.code, 0, "{lifted:?}");
    assert_eq!(operate(&rig, &["revoke", "lift", &id], "")?.code, 2);
    rig.open(&handshake)?;
    for named in [
        &["revoke", "--session", "s", "--json"][..],
        &["revoke", "--token", "t", "--issuer", "i", "--until", "2999-01-01T00:00:00Z", "--json"],
        &["revoke", "--everything", "--issuer", "i", "--issued-before", "1000", "--json"],
    ] {
        assert!(json(&operate(&rig, named, "")?)?["id"].is_string(), "{named:?}");
    }
    Ok(())
}

#[test]
fn the_gateway_is_found_by_the_configuration_and_a_wrong_token_is_refused() -> Outcome {
    let rig = Rig::new(ALL)?;
    let wrong = rig.setup.file("wrong.token", "vsa_0123456789012345678901234567890123456789")?;
    let admin = rig.gateway.admin().to_string();
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments);
        run(command, "")
    };
    let wrong = wrong.display().to_string();
    let output = ask(&["connections", "--admin", &admin, "--token-file", &wrong])?;
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("invalid_token"), "{output:?}");
    let missing = ask(&["connections", "--admin", &admin, "--token-file", "/nowhere/token"])?;
    assert_eq!(missing.code, 1, "{missing:?}");
    // Where it listens and what opens it, both from the file.
    let config = std::fs::read_to_string(rig.setup.folder().join("vestibule.toml"))?;
    let config = config
        .replace("[admin]\nlisten = \"127.0.0.1:0\"", &format!("[admin]\nlisten = {admin:?}"));
    let config = rig.setup.file("reach.toml", config)?.display().to_string();
    let output = ask(&["connections", "-c", &config])?;
    assert_eq!((output.code, output.stdout.lines().count()), (0, 1), "{output:?}");
    let nobody = ask(&["connections", "--admin", "127.0.0.1:1", "--token-file", &wrong])?;
    assert!(nobody.code == 1 && nobody.stderr.contains("no gateway runs"), "{nobody:?}");
    Ok(())
}

#[test]
fn the_audit_log_knows_who_ran_a_command() -> Outcome {
    let rig = Rig::with(ALL, |setup| setup.admin("audit_log = \"audit.log\""))?;
    rig.open(&Handshake::to("/ws").bearer(&rig.token()?))?;
    operate(&rig, &["revoke", "--subject", "alice"], "")?;
    let text = std::fs::read_to_string(rig.setup.folder().join("audit.log"))?;
    let line: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    assert_eq!((&line["user"], &line["action"]), (&"olga".into(), &"revocation.make".into()));
    Ok(())
}

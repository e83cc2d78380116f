//! A person with an SSH key or a password, from the operator's command to a connection.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use vestibule_testkit::{Output, run};

use crate::{
    accounts::{PASSWORD, add, fine, operate},
    rig::{Outcome, Rig, binary, converse},
};

const ROUTE: &str = "accept = [\"message\"]\n\
                     mechanisms = [\"public-key\", \"scram-sha-256\", \"bearer\"]\n";

/// A gateway with its users Alice and Bob.
fn rig() -> anyhow::Result<Rig> {
    let rig = Rig::with(ROUTE, |setup| {
        setup.table("[auth]").table("[store]\npath = \"kept.redb\"").admin("")
    })?;
    add(&rig, "alice")?;
    add(&rig, "bob")?;
    Ok(rig)
}

/// The private key's file, made by `ssh-keygen`, and its fingerprint.
fn pair(rig: &Rig, name: &str, kind: &str) -> anyhow::Result<(PathBuf, String)> {
    let file = rig.setup.folder().join(name);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", "", "-C", name, "-f"]).arg(&file);
    fine(run(command, "")?)?;
    let mut command = Command::new("ssh-keygen");
    command.arg("-lf").arg(&file);
    let shown = fine(run(command, "")?)?;
    let fingerprint = shown.stdout.split(' ').nth(1).context("no fingerprint")?.to_owned();
    Ok((file, fingerprint))
}

fn text(file: &std::path::Path) -> anyhow::Result<&str> {
    file.to_str().context("the folder has a name that is no text")
}

fn keys(rig: &Rig) -> anyhow::Result<Vec<Value>> {
    let listed = fine(operate(rig, &["user", "key", "list", "--json"], "")?)?;
    let listed: Value = serde_json::from_str(&listed.stdout)?;
    Ok(listed["keys"].as_array().cloned().unwrap_or_default())
}

#[test]
fn a_public_key_is_added_from_a_file_or_standard_input_listed_and_removed() -> Outcome {
    let rig = rig()?;
    let (one, first) = pair(&rig, "one", "ed25519")?;
    let (two, second) = pair(&rig, "two", "ecdsa")?;
    let (one, two) = (one.with_extension("pub"), fs::read_to_string(two.with_extension("pub"))?);
    let added = fine(operate(&rig, &["user", "key", "add", "alice", text(&one)?], "")?)?;
    assert_eq!(added.stdout.trim(), format!("added {first} for alice"));
    fine(operate(&rig, &["user", "key", "add", "bob", "-"], &two)?)?;
    let listed = fine(operate(&rig, &["user", "key", "list"], "")?)?;
    for words in [format!("  alice  {first}"), format!("  bob    {second}")] {
        assert!(listed.stdout.contains(&words), "{listed:?}");
    }
    let again = operate(&rig, &["user", "key", "add", "bob", text(&one)?], "")?;
    assert_eq!(again.code, 2, "{again:?}");
    let id = keys(&rig)?[0]["id"].as_str().context("no id")?.to_owned();
    fine(operate(&rig, &["user", "key", "remove", &id], "")?)?;
    assert_eq!(operate(&rig, &["user", "key", "remove", &id], "")?.code, 2);
    let left = keys(&rig)?[0]["fingerprint"].as_str().context("no fingerprint")?.to_owned();
    fine(operate(&rig, &["user", "key", "remove", &left], "")?)?;
    assert!(keys(&rig)?.is_empty());
    Ok(())
}

#[test]
fn what_is_no_public_key_is_not_registered_and_a_private_one_not_even_sent() -> Outcome {
    let rig = rig()?;
    let (file, _) = pair(&rig, "key", "ed25519")?;
    let public = fs::read_to_string(file.with_extension("pub"))?;
    let private = operate(&rig, &["user", "key", "add", "alice", text(&file)?], "")?;
    assert!(private.code != 0 && private.stderr.contains("private key"), "{private:?}");
    let piped = operate(&rig, &["user", "key", "add", "alice", "-"], &fs::read_to_string(&file)?)?;
    assert!(piped.code != 0 && piped.stderr.contains("private key"), "{piped:?}");
    let long = "#".repeat(20_000);
    for (name, key) in
        [("alice", ""), ("alice", "ssh-rsa AAAA"), ("alice", &long), ("eve", &public)]
    {
        let refused = operate(&rig, &["user", "key", "add", name, "-"], key)?;
        assert!(refused.code != 0 && !refused.stderr.is_empty(), "{name} {refused:?}");
    }
    let missing = operate(&rig, &["user", "key", "add", "alice", "no-such-file"], "")?;
    assert!(missing.code != 0 && missing.stderr.contains("no-such-file"), "{missing:?}");
    ensure!(keys(&rig)?.is_empty());
    Ok(())
}

//! A person with an SSH key or a password, from the operator's command to a connection.

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use anyhow::{Context as _, ensure};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use vestibule_client::{Builder, Provider, Signature, public_key, scram};
use vestibule_testkit::{Head, Output, base64url, run};

use crate::{
    accounts::{PASSWORD, add, fine, operate},
    rig::{Outcome, Rig, binary},
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
    assert_eq!(operate(&rig, &["user", "key", "remove", "-oops", "--json"], "")?.code, 2);
    assert_eq!(operate(&rig, &["user", "key", "remove", "--json", "-oops"], "")?.code, 2);
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

/// `vestibule connect` with these arguments.
fn command(rig: &Rig, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    let url = format!("ws://{}/ws", rig.gateway.address());
    command.arg("connect").arg(url).args(["--once", "hello"]).args(arguments);
    command.env_remove("SSH_AUTH_SOCK");
    command
}

/// The same, to its end.
fn connect(rig: &Rig, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
    run(command(rig, arguments), input)
}

/// The same, where it is let in: the upstream answers.
fn let_in(rig: &Rig, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
    let command = command(rig, arguments);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(command, input));
        let (mut upstream, head) = rig.upstream.switch("")?;
        ensure!(head.one("x-vestibule-subject") == Some("alice"), "{head:?}");
        upstream.expect_text("hello")?;
        upstream.send_text("welcome")?;
        upstream.expect_close(1000)?;
        let output = running.join().map_err(|_| anyhow::anyhow!("the command panicked"))??;
        ensure!(output.stdout == "welcome", "{output:?}");
        fine(output)
    })
}

#[test]
fn a_person_connects_by_the_key_that_was_registered_until_it_is_removed() -> Outcome {
    let rig = rig()?;
    for kind in ["ed25519", "ecdsa"] {
        let (file, fingerprint) = pair(&rig, kind, kind)?;
        let stranger = connect(&rig, &["--key", text(&file)?], "")?;
        assert_eq!(stranger.code, 2, "{stranger:?}");
        assert!(stranger.stderr.contains("invalid_credentials"), "{stranger:?}");
        let public = file.with_extension("pub");
        fine(operate(&rig, &["user", "key", "add", "alice", text(&public)?], "")?)?;
        let output = let_in(&rig, &["--key", text(&file)?], "")?;
        assert!(output.stderr.contains("accepted as alice by public-key"), "{output:?}");
        fine(operate(&rig, &["user", "key", "remove", &fingerprint], "")?)?;
        assert_eq!(connect(&rig, &["--key", text(&file)?], "")?.code, 2);
    }
    Ok(())
}

#[test]
fn what_is_no_key_or_is_to_travel_elsewhere_is_told_before_anything_is_sent() -> Outcome {
    let rig = rig()?;
    let (file, _) = pair(&rig, "key", "ed25519")?;
    let key = text(&file)?;
    for (arguments, code) in [
        (&["--key", "no-such-file"][..], 1),
        (&["--key", key, "--carrier", "header"], 64),
        (&["--user", "alice", "--password-stdin", "--carrier", "cookie", "--cookie-name", "c"], 64),
        (&["--key", key, "--user", "alice"], 64),
        (&["--password-stdin"], 64),
    ] {
        let output = connect(&rig, arguments, "x\n")?;
        assert_eq!(output.code, code, "{arguments:?} {output:?}");
    }
    // Without its private half, a public key signs nothing.
    let public = file.with_extension("pub");
    fine(operate(&rig, &["user", "key", "add", "alice", text(&public)?], "")?)?;
    fs::remove_file(&file)?;
    let unsigned = connect(&rig, &["--key", text(&public)?], "")?;
    assert_eq!(unsigned.code, 1, "{unsigned:?}");
    assert!(unsigned.stderr.contains("signed nothing"), "{unsigned:?}");
    rig.expect_undialled()
}

#[test]
fn a_person_connects_by_a_password_that_does_not_travel() -> Outcome {
    let rig = rig()?;
    let arguments = ["--user", "alice", "--password-stdin"];
    let output = let_in(&rig, &arguments, &format!("{PASSWORD}\n"))?;
    assert!(output.stderr.contains("accepted as alice by scram-sha-256"), "{output:?}");
    assert!(!output.stderr.contains(PASSWORD), "{output:?}");
    Ok(())
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_refused_alike() -> Outcome {
    let rig = rig()?;
    for (user, password) in [("alice", "a guess"), ("nobody", PASSWORD)] {
        let arguments = ["--user", user, "--password-stdin"];
        let refused = connect(&rig, &arguments, &format!("{password}\n"))?;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains("invalid_credentials"), "{refused:?}");
    }
    rig.expect_undialled()
}

/// The library, let in by this provider as Alice.
pub(crate) fn enters_as_alice(rig: &Rig, provider: impl Provider) -> Outcome {
    let url = format!("ws://{}/ws", rig.gateway.address());
    let head = enters(rig, Builder::new(&url, provider)?)?;
    ensure!(head.one("x-vestibule-subject") == Some("alice"), "{head:?}");
    Ok(())
}

/// The library, let in and gone again; what the upstream was asked.
pub(crate) fn enters(rig: &Rig, builder: Builder) -> anyhow::Result<Head> {
    let builder = builder.plain();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || -> Outcome {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { Ok(builder.connect().await?.close().await?) })
        });
        let (mut upstream, head) = rig.upstream.switch("")?;
        upstream.expect_close(1000)?;
        running.join().map_err(|_| anyhow::anyhow!("the client panicked"))??;
        Ok(head)
    })
}

#[test]
fn a_program_enters_by_a_raw_signature_or_a_password() -> Outcome {
    let rig = rig()?;
    let pair = Arc::new(Ed25519KeyPair::generate()?);
    let x = base64url(pair.public_key().as_ref());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string();
    fine(operate(&rig, &["user", "key", "add", "alice", "-"], &key)?)?;
    let shown = keys(&rig)?[0]["fingerprint"].as_str().context("no fingerprint")?.to_owned();
    let sign = move |bytes: Vec<u8>| {
        let signature = pair.sign(&bytes);
        async move { Ok(Signature::Raw(signature.as_ref().try_into()?)) }
    };
    enters_as_alice(&rig, public_key(shown, sign))?;
    enters_as_alice(&rig, scram("alice", PASSWORD))
}

//! The walk-through of the README, as it is written there, but for the addresses.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use vestibule_testkit::{Echo, Gateway, Output, Setup, eventually, run};

use crate::rig::{Outcome, binary};

/// The texts in that language below that heading.
fn snippets(heading: &str, language: &str) -> anyhow::Result<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let page = std::fs::read_to_string(page)?;
    let (_, section) = page.split_once(&format!("## {heading}\n")).context("no such heading")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let fence = format!("```{language}\n");
    let texts = section.split(&*fence).skip(1);
    Ok(texts.filter_map(|text| Some(text.split_once("```")?.0.to_owned())).collect())
}

/// A shell in which `vestibule` is the binary under test, and finds this gateway.
fn shell(script: &str, gateway: &Gateway, folder: &Path) -> Command {
    let script = script.replace("127.0.0.1:8080", &gateway.address().to_string());
    let find = "vestibule() { if [ \"$1\" = connect ]; then \"$BINARY\" \"$@\"; \
                else \"$BINARY\" \"$@\" --admin \"$ADMIN\"; fi; }\n";
    let mut command = Command::new("sh");
    command.arg("-ec").arg(format!("{find}{script}")).current_dir(folder);
    command.env("BINARY", binary()).env("ADMIN", gateway.admin().to_string());
    command
}

fn fine(output: Output) -> anyhow::Result<Output> {
    ensure!(output.code == 0, "{output:?}");
    Ok(output)
}

#[test]
fn with_only_the_binary_a_user_signs_in_connects_is_seen_and_is_cut_off() -> Outcome {
    let heading = "Quick start without one";
    let [config] = &*snippets(heading, "toml")? else { anyhow::bail!("one configuration") };
    let [enter, end] = &*snippets(heading, "sh")? else { anyhow::bail!("two scripts") };
    let echo = Echo::start()?;
    let setup = Setup::new()?;
    let config = config
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9480", "127.0.0.1:0")
        .replace("ws://127.0.0.1:9000/", &echo.url());
    let path = setup.file("vestibule.toml", config)?;
    let gateway = Gateway::start(binary(), &path, std::iter::empty::<(&str, &str)>())?;
    let mut client = shell(enter, &gateway, setup.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Its input stays open, as a terminal's does.
    let input = client.stdin.take();
    eventually("the client is inside", || {
        let gone = client.try_wait()?;
        ensure!(gone.is_none(), "the client ended: {gone:?}");
        Ok(gateway.metric("vestibule_connections")? == 1)
    })?;
    let ended = fine(run(shell(end, &gateway, setup.folder()), "")?)?;
    let words: Vec<_> = ended.stdout.split_whitespace().collect();
    ensure!(words.join(" ").contains(" alice ticket query /chat 127.0.0.1 "), "{ended:?}");
    let mut said = String::new();
    if let Some(stderr) = client.stderr.take() {
        let mut lines = BufReader::new(stderr);
        while lines.read_line(&mut said)? > 0 && !said.contains("4410") {}
    }
    if let Some(mut stdout) = client.stdout.take().filter(|_| !said.contains("4410")) {
        stdout.read_to_string(&mut said)?;
    }
    ensure!(said.contains("4410"), "{said}");
    drop(input);
    client.wait()?;
    let last = enter.lines().last().context("a script")?;
    let again = run(shell(last, &gateway, setup.folder()), "")?;
    ensure!(again.code == 2, "{again:?}");
    let by_token = "vestibule connect ws://127.0.0.1:8080/chat --token-file access.txt";
    let again = run(shell(by_token, &gateway, setup.folder()), "")?;
    ensure!(again.code == 2 && again.stderr.contains("401"), "{again:?}");
    Ok(())
}

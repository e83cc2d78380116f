//! `cargo xtask test`: the quick and cheap first, so that a mistake is told early.

use std::{env, path::Path, thread};

use anyhow::{Result, bail};

use crate::{
    step::{Reach, Steps, works},
    tidy, tools,
};

/// Runs everything.
pub(crate) fn run(root: &Path, reach: Reach) -> Result<()> {
    let mut steps = Steps::new(root);
    steps.step("tidy", tidy::run)?;
    lints(&mut steps)?;
    tests(&mut steps, reach)?;
    steps.command("interop", &["python3", "interop/run"], &[])?;
    typescript(&mut steps, root)?;
    pages(&mut steps, root)?;
    fuzz(&mut steps, reach)?;
    let deny = tools::cargo_deny(&mut steps)?;
    let line = [&*deny, "check", "licenses", "bans", "sources"];
    steps.command("dependencies", &line, &[])?;
    instructions(&mut steps)?;
    if reach == Reach::Full {
        steps.command("Autobahn", &["python3", "interop/autobahn/run"], &[])?;
    }
    steps.finish();
    Ok(())
}

/// What a message and a token cost, counted, beside what they cost before.
fn instructions(steps: &mut Steps) -> Result<()> {
    if !cfg!(target_arch = "x86_64") {
        steps.skip("instructions", "the counts to compare with are those of another processor");
        return Ok(());
    }
    tools::valgrind(steps)?;
    let packages = ["-p", "vestibule-gateway", "-p", "vestibule-bench"];
    let line = [&["cargo", "build", "--release", "--locked"][..], &packages].concat();
    steps.command("release build", &line, &[])?;
    steps.command("instructions", &["target/release/vestibule-bench", "instructions"], &[])
}

/// Formatting and lints. A Rust without rustfmt or clippy can still run the tests; but what is to
/// be merged must have passed them.
fn lints(steps: &mut Steps) -> Result<()> {
    let components: [(&str, &[&str], &[&str]); 2] = [
        ("rustfmt", &["cargo", "fmt", "--version"], &["cargo", "fmt", "--all", "--check"]),
        (
            "clippy",
            &["cargo", "clippy", "--version"],
            &[
                "cargo",
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
        ),
    ];
    for (name, question, line) in components {
        if works(question) {
            steps.command(name, line, &[])?;
            continue;
        }
        let why = format!("this Rust has no {name}: `rustup component add {name}` installs it");
        if env::var_os("CI").is_some() {
            bail!("{why}");
        }
        steps.skip(name, &why);
    }
    Ok(())
}

fn tests(steps: &mut Steps, reach: Reach) -> Result<()> {
    // The black-box tests wait more than they work.
    let threads = (thread::available_parallelism()?.get() * 3).to_string();
    let mut variables = vec![("RUST_TEST_THREADS", &*threads), ("NEXTEST_TEST_THREADS", &*threads)];
    if reach == Reach::Full {
        variables.push(("PROPTEST_CASES", "20000"));
    }
    if works(&["cargo", "nextest", "--version"]) {
        let line = ["cargo", "nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
        steps.command("tests", &line, &variables)?;
    } else {
        let line = [
            "cargo",
            "test",
            "--workspace",
            "--locked",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ];
        steps.command("tests", &line, &variables)?;
    }
    let line = ["cargo", "test", "--workspace", "--locked", "--doc"];
    steps.command("examples in the documentation", &line, &[])
}

/// The TypeScript client, against the gateway that the steps before have built.
fn typescript(steps: &mut Steps, root: &Path) -> Result<()> {
    let binary = root.join("target/debug/vestibule");
    let binary = [("VESTIBULE_BIN", &*binary.to_string_lossy())];
    let npm = ["npm", "--prefix", "clients/js", "--silent"];
    let line = |last: &'static str| [npm[0], npm[1], npm[2], npm[3], last];
    steps.command("packages of the TypeScript client", &line("ci"), &[])?;
    steps.command("TypeScript client", &line("test"), &binary)
}

/// The console, the page of the demonstration and the TypeScript client in a real browser.
fn pages(steps: &mut Steps, root: &Path) -> Result<()> {
    let binary = root.join("target/debug/vestibule");
    let chromium = tools::chromium(steps)?;
    let variables = [("VESTIBULE_BIN", &*binary.to_string_lossy()), ("CHROMIUM", &*chromium)];
    let npm = ["npm", "--prefix", "console", "--silent"];
    let line = |last: &'static [&'static str]| [&npm, last].concat();
    steps.command("packages of the console", &line(&["ci"]), &[])?;
    steps.command("console, as it is in the program", &line(&["run", "check"]), &[])?;
    steps.command("pages in a browser", &line(&["test"]), &variables)
}

fn fuzz(steps: &mut Steps, reach: Reach) -> Result<()> {
    let seconds = match reach {
        Reach::Usual => "5",
        Reach::Full => "600",
    };
    if !works(&["c++", "--version"]) {
        steps.skip("fuzzing", "there is no C++ compiler, which libFuzzer is built with");
        return Ok(());
    }
    // A check is the same each time; to search is what the long run is for.
    let seed: &[(&str, &str)] = match reach {
        Reach::Usual => &[("FUZZ_SEED", "1")],
        Reach::Full => &[],
    };
    steps.command("fuzzing", &["fuzz/run", seconds], seed)
}

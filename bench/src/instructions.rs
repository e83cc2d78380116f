//! Instructions instead of time: the same on a busy machine and on a quiet one. Each figure is the
//! difference of two runs under callgrind that differ in nothing but how often they do the work, so
//! that starting up does not count.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    cases::{echo, free_port},
    peers::{Cover, Peer, Place},
    process::{Core, Load, Process},
    role::work::Kind,
    tokens::{self, Algorithm, Check},
};

/// By name: instructions for each piece of work.
pub type Counts = BTreeMap<String, u64>;

/// How much more than the baseline is a regression.
const TOLERANCE: f64 = 0.05;

/// Counts everything.
pub fn count(vestibule: &Path) -> Result<Counts> {
    let folder = tempfile::tempdir()?;
    let mut counts = Counts::new();
    for (name, kind) in [("scanner", Kind::Scan), ("token", Kind::Token)] {
        counts
            .insert(name.to_owned(), difference(2_000, |count| work(kind, count, folder.path()))?);
    }
    // Many: what starting up takes is not the same each time, as it gathers entropy.
    let relay = difference(20_000, |count| relay(vestibule, count, folder.path()))?;
    counts.insert("relayed round trip".to_owned(), relay);
    Ok(counts)
}

/// What grew by more than the tolerance, in words; and what is not in the baseline.
pub fn compare(counts: &Counts, baseline: &Counts) -> Vec<String> {
    let mut grown = Vec::new();
    for (name, &now) in counts {
        let Some(&before) = baseline.get(name) else {
            grown.push(format!("{name}: there is no baseline"));
            continue;
        };
        let ratio = crate::machine::ratio(now, before);
        if ratio > 1.0 + TOLERANCE {
            grown.push(format!("{name}: {before} instructions became {now} ({ratio:.2})"));
        }
    }
    grown
}

fn difference(count: u64, run: impl Fn(u64) -> Result<u64>) -> Result<u64> {
    let (once, thrice) = (run(count)?, run(3 * count)?);
    ensure!(thrice > once, "more work took fewer instructions");
    Ok((thrice - once) / (2 * count))
}

fn valgrind(log: &Path) -> Vec<String> {
    let words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    words.push(format!("--log-file={}", log.display()));
    words
}

/// What callgrind says at its end.
fn collected(log: &Path) -> Result<u64> {
    let text = fs::read_to_string(log)?;
    let line = text.lines().find(|line| line.contains("Collected :"));
    let number = line.and_then(|line| line.rsplit(' ').next());
    number.context("callgrind has counted nothing")?.parse().context("callgrind's count")
}

fn work(kind: Kind, count: u64, folder: &Path) -> Result<u64> {
    let log = folder.join("work.log");
    let mut words = valgrind(&log);
    words.push(std::env::current_exe()?.to_string_lossy().into_owned());
    words.extend(["role", "work", "--kind", kind.name(), "--count"].map(str::to_owned));
    words.push(count.to_string());
    let (program, arguments) = words.split_first().context("an empty command")?;
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "valgrind failed; is it installed?");
    collected(&log)
}

/// The whole process, from accepting one connection to relaying so many messages.
fn relay(vestibule: &Path, count: u64, folder: &Path) -> Result<u64> {
    let log = folder.join("relay.log");
    let upstream = free_port()?;
    let _echo = echo(Core::Any, upstream)?;
    let place = Place {
        core: Core::Any,
        workers: 1,
        port: free_port()?,
        upstream,
        cover: Cover::Plain,
        check: Check::Token(Algorithm::Hs256),
        folder,
        vestibule,
    };
    let mut command = valgrind(&log);
    command.extend(Peer::Vestibule.command(&place)?);
    let mut gateway = Process::start(Core::Any, &command)?;
    gateway.listens(place.port)?;
    let tokens = tokens::file(Algorithm::Hs256, 1, 3600, folder)?;
    let arguments = [
        format!("--port={}", place.port),
        "--task=relay".to_owned(),
        format!("--count={count}"),
        format!("--tokens={}", tokens.display()),
    ];
    let mut load = Load::start(Core::Any, &arguments)?;
    load.go()?;
    let _outcome: serde_json::Value = load.outcome()?;
    gateway.terminate()?;
    collected(&log)
}

/// Counts, and compares with the file; or writes it.
pub fn check(vestibule: &Path, file: &Path, mode: Mode) -> Result<String> {
    let counts = count(vestibule)?;
    let text = serde_json::to_string_pretty(&counts)? + "\n";
    match mode {
        Mode::Write => fs::write(file, &text)?,
        Mode::Compare => {
            let baseline = serde_json::from_str(&fs::read_to_string(file)?)?;
            let grown = compare(&counts, &baseline);
            if !grown.is_empty() {
                bail!("{}\n\nmeasured:\n{text}", grown.join("\n"));
            }
        }
    }
    Ok(text)
}

/// What is done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A regression is an error.
    Compare,
    /// It becomes the new baseline.
    Write,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_five_percent_is_a_regression() {
        let counts = |count| Counts::from([("a".to_owned(), count)]);
        assert!(compare(&counts(105), &counts(100)).is_empty());
        assert_eq!(compare(&counts(106), &counts(100)).len(), 1);
        assert_eq!(compare(&counts(1), &Counts::new()).len(), 1);
    }
}

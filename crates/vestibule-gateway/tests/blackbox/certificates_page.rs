//! The operator's page about certificates, as it is written there, but for the addresses.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use vestibule_testkit::{Echo, Gateway, Output, Setup, eventually, run};

use crate::rig::{Outcome, binary};

/// The texts in that language below that heading.
fn snippets(heading: &str, language: &str) -> anyhow::Result<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate/certificates.md");
    let page = fs::read_to_string(page)?;
    let (_, section) = page.split_once(&format!("## {heading}\n")).context("no such heading")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let fence = format!("```{language}\n");
    let texts = section.split(&*fence).skip(1);
    Ok(texts.filter_map(|text| Some(text.split_once("```")?.0.to_owned())).collect())
}

/// A gateway in a folder where everything lies that the page makes.
struct House {
    setup: Setup,
    gateway: Gateway,
}

impl House {
    fn new(config: &str, setup: Setup, upstream: &str) -> anyhow::Result<Self> {
        let config = config
            .replace("127.0.0.1:8443", "127.0.0.1:0")
            .replace("127.0.0.1:9480", "127.0.0.1:0")
            .replace("ws://127.0.0.1:9000/", upstream);
        let path = setup.file("vestibule.toml", config)?;
        let gateway = Gateway::start(binary(), &path, std::iter::empty::<(&str, &str)>())?;
        Ok(Self { setup, gateway })
    }

    /// Runs a script of the page against it.
    fn run(&self, script: &str) -> anyhow::Result<Output> {
        let port = self.gateway.address().port().to_string();
        let script = script.replace("8443", &port);
        let find = "vestibule() { if [ \"$1\" = connect ]; then \"$BINARY\" \"$@\"; \
                    else \"$BINARY\" \"$@\" --admin \"$ADMIN\"; fi; }\n";
        let mut command = Command::new("sh");
        command.arg("-ec").arg(format!("{find}{script}")).current_dir(self.setup.folder());
        command.env("BINARY", binary()).env("ADMIN", self.gateway.admin().to_string());
        run(command, "")
    }

    fn fine(&self, script: &str) -> anyhow::Result<Output> {
        let output = self.run(script)?;
        ensure!(output.code == 0, "{script}\n{output:?}");
        Ok(output)
    }
}

#[test]
fn what_the_page_about_certificates_says_is_what_happens() -> Outcome {
    let begin = "From an authority to a connection";
    let [config] = &*snippets(begin, "toml")? else { anyhow::bail!("one configuration") };
    let [make, enter] = &*snippets(begin, "sh")? else { anyhow::bail!("two scripts") };
    let [by_curl] = &*snippets("An `Origin` is needed", "sh")? else { anyhow::bail!("one script") };
    let [end] = &*snippets("When it ends", "sh")? else { anyhow::bail!("one script") };
    let lists = "Lists of withdrawn certificates";
    let [tls] = &*snippets(lists, "toml")? else { anyhow::bail!("one line") };
    let [withdraw] = &*snippets(lists, "sh")? else { anyhow::bail!("one script") };

    let (echo, setup) = (Echo::start()?, Setup::new()?);
    let mut made = Command::new("sh");
    made.arg("-ec").arg(make).current_dir(setup.folder());
    let made = run(made, "")?;
    ensure!(made.code == 0, "{made:?}");
    let house = House::new(config, setup, &echo.url())?;
    assert_eq!(house.fine(enter)?.stdout.trim(), "hello");
    // curl waits for the end of a conversation that it does not understand.
    let curl = house.run(by_curl)?;
    ensure!(curl.stdout.starts_with("HTTP/1.1 101 "), "{curl:?}");
    let without = by_curl.lines().filter(|line| !line.contains("Origin")).collect::<Vec<_>>();
    let dropped = house.run(&without.join("\n"))?;
    ensure!(!dropped.stdout.contains(" 101 "), "{dropped:?}");
    // Every line of the list stands two columns in.
    house.fine(&end.lines().map(str::trim).collect::<Vec<_>>().join("\n"))?;
    let again = house.run(enter)?;
    ensure!(again.code == 2, "{again:?}");

    // Another gateway, with the lists.
    let House { setup, gateway } = house;
    drop(gateway);
    fs::remove_file(setup.folder().join("vestibule.db"))?;
    let line = config.lines().find(|line| line.starts_with("tls = ")).context("no tls")?;
    let config = config.replace(line, tls.trim());
    let (revoking, rest): (Vec<&str>, Vec<&str>) =
        withdraw.lines().partition(|line| line.contains("-revoke"));
    let mut first = Command::new("sh");
    first.arg("-ec").arg(rest.join("\n")).current_dir(setup.folder());
    let first = run(first, "")?;
    ensure!(first.code == 0, "{first:?}");
    let house = House::new(&config, setup, &echo.url())?;
    assert_eq!(house.fine(enter)?.stdout.trim(), "hello");
    let renewing = rest.iter().skip_while(|line| !line.contains("-gencrl")).copied();
    house.fine(&revoking.into_iter().chain(renewing).collect::<Vec<_>>().join("\n"))?;
    eventually("the list counts", || Ok(house.run(enter)?.code == 1))?;
    Ok(())
}

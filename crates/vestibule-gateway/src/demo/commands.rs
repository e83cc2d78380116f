//! What can be tried from a terminal: commands that can be copied as they are.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    Places,
    people::{People, key},
    secure::Files,
};

/// Where a command is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// On the terminal, and on the page.
    Everywhere,
    /// On the page alone: the terminal is small.
    Page,
}

/// A command, and what is to be seen by it.
#[derive(Clone, Debug)]
pub(super) struct Command {
    told: Told,
    about: &'static str,
    lines: Vec<String>,
}

impl Command {
    fn new<const N: usize>(told: Told, about: &'static str, lines: [String; N]) -> Self {
        Self { told, about, lines: lines.into() }
    }

    fn text(&self) -> String {
        self.lines.join(" \\\n  ")
    }
}

/// All of them. `folder` has the files that they name.
pub(super) fn all(places: &Places, people: Option<&People>, folder: &Path) -> Vec<Command> {
    let Places { gateway, page, secure, .. } = places;
    let connect = format!("vestibule connect ws://{gateway}/chat");
    let token = |user: &str| format!("--token-file <(curl -s 'http://{page}/token?user={user}')");
    let mut commands = vec![Command::new(
        Told::Everywhere,
        "Alice for 30 seconds; the connection ends with her token",
        [
            format!("{connect} --carrier message"),
            format!("--token-file <(curl -s 'http://{page}/token?user=alice&ttl=30')"),
        ],
    )];
    if let Some(people) = people {
        let signed = format!("{connect} --key {}", key(folder).display());
        commands.push(Command::new(
            Told::Everywhere,
            "Alice by her key, which signs what the gateway asks",
            [signed],
        ));
        let passwords = people.passwords().take(1).map(|(name, password)| {
            Command::new(
                Told::Everywhere,
                "Alice by her password, which does not travel",
                [
                    format!("{connect} --user {name} --password-stdin"),
                    format!("--once hello <<< {password}"),
                ],
            )
        });
        commands.extend(passwords);
    }
    let files = Files::new(folder.to_owned());
    let trusting = format!("--ca {}", files.authority().display());
    let bound = people.into_iter().flat_map(People::passwords).take(1).map(|(name, password)| {
        Command::new(
            Told::Page,
            "Alice by her password, bound to the TLS connection: nobody in between can use it",
            [
                format!("vestibule connect wss://{secure}/bound {trusting}"),
                format!("--user {name} --password-stdin --channel-binding"),
                format!("--once hello <<< {password}"),
            ],
        )
    });
    commands.extend(bound);
    commands.extend([
        Command::new(
            Told::Everywhere,
            "A page that is not on the list, with a good token (HTTP 403)",
            [format!("{connect} --origin http://evil.example"), token("alice")],
        ),
        Command::new(
            Told::Page,
            "A token that is none (HTTP 401 with a challenge)",
            [format!("{connect} --token wrong")],
        ),
        Command::new(
            Told::Page,
            "A machine by its certificate, which TLS looks at",
            [
                format!("vestibule connect wss://{secure}/machines --origin https://{secure}"),
                trusting,
                format!("--cert {}", files.client().display()),
                format!("--cert-key {}", files.client_key().display()),
            ],
        ),
        Command::new(
            Told::Page,
            "The same machine by curl",
            [
                format!("curl -isN -m 5 https://{secure}/machines -H 'Origin: https://{secure}'"),
                format!("--cacert {}", files.authority().display()),
                format!("--cert {}", files.client().display()),
                format!("--key {}", files.client_key().display()),
                "-H 'Connection: Upgrade' -H 'Upgrade: websocket'".to_owned(),
                "-H 'Sec-WebSocket-Version: 13'".to_owned(),
                "-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='".to_owned(),
            ],
        ),
        Command::new(
            Told::Page,
            "What any other client sends and gets: the handshake, then frames",
            [
                format!("curl -isN -m 5 http://{gateway}/chat"),
                "-H 'Connection: Upgrade' -H 'Upgrade: websocket'".to_owned(),
                "-H 'Sec-WebSocket-Version: 13'".to_owned(),
                "-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='".to_owned(),
                format!("-H \"Authorization: Bearer $(curl -s 'http://{page}/token?user=bob')\""),
            ],
        ),
    ]);
    commands
}

/// Those that stand on the terminal, with an empty line before each.
pub(super) fn printed(commands: &[Command]) -> String {
    let told = commands.iter().filter(|command| command.told == Told::Everywhere);
    let printed = told.map(|command| {
        let text = command.text().replace('\n', "\n    ");
        format!("\n  {}:\n    {text}\n", command.about)
    });
    printed.collect()
}

/// All, for the page.
pub(super) fn shown(commands: &[Command]) -> Value {
    commands
        .iter()
        .map(|command| json!({ "about": command.about, "text": command.text() }))
        .collect()
}

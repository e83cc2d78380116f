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
    let files = Files::new(folder.to_owned());
    let of_people = people.into_iter().flat_map(|people| proofs(places, people, folder, &files));
    let mut commands = Vec::from(tokens(places));
    commands.extend(of_people);
    commands.extend(certificates(places, &files));
    commands.push(handshake(places));
    commands
}

/// A good token, a good one from a wrong page, and none.
fn tokens(places: &Places) -> [Command; 3] {
    let Places { gateway, page, .. } = places;
    let connect = format!("vestibule connect ws://{gateway}/chat");
    [
        Command::new(
            Told::Everywhere,
            "Alice for 30 seconds; the connection ends with her token",
            [
                format!("{connect} --carrier message"),
                format!("--token-file <(curl -s 'http://{page}/token?user=alice&ttl=30')"),
            ],
        ),
        Command::new(
            Told::Everywhere,
            "A page that is not on the list, with a good token (HTTP 403)",
            [
                format!("{connect} --origin http://evil.example"),
                format!("--token-file <(curl -s 'http://{page}/token?user=alice')"),
            ],
        ),
        Command::new(
            Told::Page,
            "A token that is none (HTTP 401 with a challenge)",
            [format!("{connect} --token wrong")],
        ),
    ]
}

/// A key, and a password that does not travel.
fn proofs(places: &Places, people: &People, folder: &Path, files: &Files) -> Vec<Command> {
    let Places { gateway, secure, .. } = places;
    let connect = format!("vestibule connect ws://{gateway}/chat");
    let signed = Command::new(
        Told::Everywhere,
        "Alice by her key, which signs what the gateway asks",
        [format!("{connect} --key {}", key(folder).display())],
    );
    let by_password = |(name, password): (&str, &str)| {
        let secret = format!("--once hello <<< {password}");
        [
            Command::new(
                Told::Everywhere,
                "Alice by her password, which does not travel",
                [format!("{connect} --user {name} --password-stdin"), secret.clone()],
            ),
            Command::new(
                Told::Page,
                "Alice by her password, bound to the TLS connection: nobody in between can use it",
                [
                    format!("vestibule connect wss://{secure}/bound"),
                    format!("--ca {}", files.authority().display()),
                    format!("--user {name} --password-stdin --channel-binding"),
                    secret,
                ],
            ),
        ]
    };
    [signed].into_iter().chain(people.passwords().take(1).flat_map(by_password)).collect()
}

/// A machine.
fn certificates(places: &Places, files: &Files) -> [Command; 2] {
    let Places { secure, .. } = places;
    let authority = files.authority();
    let [authority, certificate, key] =
        [&authority, &files.client(), &files.client_key()].map(|path| path.display().to_string());
    let [connection, version, nonce] = UPGRADE.map(str::to_owned);
    [
        Command::new(
            Told::Page,
            "A machine by its certificate, which TLS looks at",
            [
                format!("vestibule connect wss://{secure}/machines"),
                format!("--origin https://{secure} --ca {authority}"),
                format!("--cert {certificate}"),
                format!("--cert-key {key}"),
            ],
        ),
        Command::new(
            Told::Page,
            "The same machine by curl",
            [
                format!("curl -isN -m 5 https://{secure}/machines"),
                format!("-H 'Origin: https://{secure}' --cacert {authority}"),
                format!("--cert {certificate}"),
                format!("--key {key}"),
                connection,
                version,
                nonce,
            ],
        ),
    ]
}

fn handshake(places: &Places) -> Command {
    let Places { gateway, page, .. } = places;
    let [connection, version, nonce] = UPGRADE.map(str::to_owned);
    Command::new(
        Told::Page,
        "What any other client sends and gets: the handshake, then frames",
        [
            format!("curl -isN -m 5 http://{gateway}/chat"),
            connection,
            version,
            nonce,
            format!("-H \"Authorization: Bearer $(curl -s 'http://{page}/token?user=bob')\""),
        ],
    )
}

/// What makes a request of curl's a handshake (RFC 6455 section 4.1).
const UPGRADE: [&str; 3] = [
    "-H 'Connection: Upgrade' -H 'Upgrade: websocket'",
    "-H 'Sec-WebSocket-Version: 13'",
    "-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='",
];

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

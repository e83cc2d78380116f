//! A private key that `ssh-keygen` signs with: from its file, by an agent, or on a token.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::task::spawn_blocking;
use vestibule_client::{Credential, Signature, Unavailable};

use super::ConnectError;

/// Longest that `ssh-keygen` is listened to, in bytes.
const OUTPUT_BYTES: u64 = 16 * 1024;

/// The credential of a key. The file is a private key's, or a public key's whose private one an
/// agent has.
pub(super) fn key(file: &Path) -> Result<Credential, ConnectError> {
    let unusable = |source| ConnectError::Key { path: file.to_owned(), source };
    let mut command = Command::new("ssh-keygen");
    command.args(["-l", "-E", "sha256", "-f"]).arg(file).stderr(Stdio::null());
    let shown = spoken(command, &[]).map_err(unusable)?;
    let fingerprint = shown.split(' ').nth(1).filter(|word| word.starts_with("SHA256:"));
    let fingerprint =
        fingerprint.ok_or_else(|| unusable(io::Error::other("ssh-keygen finds no key in it")))?;
    let file = file.to_owned();
    let sign = move |bytes: Vec<u8>| {
        let file = file.clone();
        async move {
            let signed = spawn_blocking(move || signature(file, &bytes)).await;
            Ok::<_, Unavailable>(Signature::Ssh(signed??))
        }
    };
    Credential::public_key(fingerprint, sign).map_err(|error| unusable(io::Error::other(error)))
}

/// What it has to say of a failure, or of a token that waits to be touched, it says itself.
fn signature(file: PathBuf, bytes: &[u8]) -> io::Result<String> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "sign", "-n", "vestibule", "-f"]).arg(file);
    spoken(command, bytes)
}

/// Runs a command with that input, and returns what it printed.
fn spoken(mut command: Command, input: &[u8]) -> io::Result<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    // Both are short enough for a pipe, so neither side waits for the other.
    let mut text = String::new();
    let told = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
    if let Some(stdout) = child.stdout.take() {
        stdout.take(OUTPUT_BYTES).read_to_string(&mut text)?;
    }
    if !child.wait()?.success() {
        return Err(io::Error::other("ssh-keygen failed"));
    }
    told.map(|()| text)
}

//! Users, an API key, and the operator behind the page: by the admin API, as anybody would.

use core::fmt;
use std::{
    fs::{DirBuilder, OpenOptions, remove_dir_all},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_lc_rs::rand;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use http::Method;
use serde_json::{Value, json};
use vestibule_verify::{jwt::Algorithm, mint::Signer};
use zeroize::Zeroizing;

use super::{configuration::SCOPE, issuer::User};
use crate::ops::admin::{Failure, encode, exchange, read_token};

/// Users that sign in with a password.
const NAMES: [&str; 2] = ["alice", "bob"];
/// How many public keys may be registered: a page makes new ones each time it is loaded.
const KEYS: u32 = 1000;
/// What the page says of a revocation that was asked for there.
const REASON: &str = "pressed on the page of the demonstration";

/// A folder for the token, for this user alone; it goes with the demonstration.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        let name = format!("vestibule-demo-{}", HEXLOWER.encode(&random::<8>()?));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// The file with the token.
    pub(super) fn token(&self) -> PathBuf {
        self.0.join("admin.token")
    }

    /// The file with the secret by which the gateway asks the issuer about opaque tokens.
    pub(super) fn secret(&self) -> PathBuf {
        self.0.join("introspection.secret")
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that its owner alone can read.
    pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is a token of a gateway that is gone.
        drop(remove_dir_all(&self.0));
    }
}

/// The file with Alice's private key; the public one is beside it, as OpenSSH has it.
pub(super) fn key(folder: &Path) -> PathBuf {
    folder.join("alice")
}

/// What the page may tell its visitors. It is a demonstration: they are meant to be known.
pub(super) struct People {
    passwords: Vec<(&'static str, String)>,
    key: String,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    /// Names and passwords.
    pub(super) fn passwords(&self) -> impl Iterator<Item = (&str, &str)> {
        self.passwords.iter().map(|(name, password)| (*name, &**password))
    }

    /// Some, for tests.
    #[cfg(test)]
    pub(super) fn sample() -> Self {
        let passwords = NAMES.map(|name| (name, "abcdefgh".to_owned()));
        Self { passwords: passwords.into(), key: "vsk_sample".to_owned() }
    }

    /// The API key of a machine.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

/// A public key that was registered.
#[derive(Debug)]
pub(super) struct Registered {
    /// As OpenSSH shows it.
    pub(super) fingerprint: String,
    /// The key as a line of OpenSSH.
    line: String,
}

/// Who may use the admin API of the gateway that runs.
#[derive(Default)]
pub(super) struct Operator {
    known: OnceLock<(SocketAddr, Zeroizing<String>)>,
    people: OnceLock<People>,
    registered: AtomicU32,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

impl Operator {
    /// Who there is, once they were made.
    pub(super) fn people(&self) -> Option<&People> {
        self.people.get()
    }

    /// Makes the users and the keys. Says why where that is not possible.
    pub(super) async fn begin(&self, admin: SocketAddr, folder: &Folder) -> Result<(), String> {
        let token = read_token(&folder.token()).map_err(|error| error.to_string())?;
        self.known.get_or_init(|| (admin, token));
        let mut passwords = Vec::new();
        for name in NAMES {
            let password = password().map_err(|error| error.to_string())?;
            let user = json!({ "name": name, "password": password, "scopes": [SCOPE] });
            self.ask(&Method::POST, "/api/v1/users", Some(&user)).await?;
            passwords.push((name, password));
        }
        let machine = json!({ "machine": "sensor", "label": "demo", "scopes": [SCOPE] });
        let made = self.ask(&Method::POST, "/api/v1/keys", Some(&machine)).await?;
        let api_key = made.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.key_pair(User::Alice, &key(folder.path())).await?;
        self.people.get_or_init(|| People { passwords, key: api_key });
        Ok(())
    }

    /// Makes the same users with another gateway.
    pub(super) async fn also(&self, admin: SocketAddr, token: &Path) -> Result<(), String> {
        let token = read_token(token).map_err(|error| error.to_string())?;
        for (name, password) in self.people().into_iter().flat_map(People::passwords) {
            let user = json!({ "name": name, "password": password, "scopes": [SCOPE] });
            let what = (&Method::POST, "/api/v1/users", Some(&user));
            exchange(admin, (&token, Some("demo")), what).await.map_err(said)?;
        }
        Ok(())
    }

    /// Makes a key pair, registers it, and writes it as `ssh-keygen` wants it.
    async fn key_pair(&self, user: User, path: &Path) -> Result<(), String> {
        let pair = Signer::generate(Algorithm::Es256).map_err(|error| error.to_string())?;
        let private = pair.to_pem().map_err(|error| error.to_string())?;
        let jwks = pair.public_jwks();
        let key = jwks.pointer("/keys/0").unwrap_or(&Value::Null).to_string();
        let added = self.register(user, &key).await?;
        let public = path.with_extension("pub");
        Folder::write(path, &private)
            .and_then(|()| Folder::write(&public, &format!("{}\n", added.line)))
            .map_err(|error| error.to_string())
    }

    /// Registers a public key, a JSON Web Key, with a user.
    pub(super) async fn register(&self, user: User, key: &str) -> Result<Registered, String> {
        if self.registered.fetch_add(1, Ordering::Relaxed) >= KEYS {
            return Err("too many keys: start the demonstration anew".to_owned());
        }
        let new = json!({ "user": user.name(), "key": key });
        let added = self.ask(&Method::POST, "/api/v1/public-keys", Some(&new)).await?;
        let said = |name: &str| added.get(name).and_then(Value::as_str).unwrap_or_default().into();
        Ok(Registered { fingerprint: said("fingerprint"), line: said("key") })
    }

    /// Revokes the credential of a connection or, where that has no name, its session; one with
    /// neither is closed. A password is set again: what was proven by it ends like that, and its
    /// user can come back.
    pub(super) async fn revoke(&self, connection: &str) -> Result<(), String> {
        let path = format!("/api/v1/connections/{}", encode(connection));
        let found = self.ask(&Method::GET, &path, None).await?;
        let said = |name: &str| found.get(name).filter(|value| value.is_string());
        let text = |name: &str| found.get(name).and_then(Value::as_str);
        let subject = text("subject").unwrap_or_default();
        let passwords = || self.people()?.passwords().find(|(name, _)| *name == subject);
        if text("mechanism").is_some_and(|name| name.starts_with("scram-"))
            && let Some((name, password)) = passwords()
        {
            let path = format!("/api/v1/users/{}/password", encode(name));
            let again = json!({ "password": password });
            return self.ask(&Method::PUT, &path, Some(&again)).await.map(drop);
        }
        let named = match (said("token"), said("session")) {
            (Some(token), _) => {
                json!({ "token": token, "issuer": said("issuer"), "reason": REASON })
            }
            (None, Some(session)) => json!({ "session": session, "reason": REASON }),
            (None, None) => return self.ask(&Method::DELETE, &path, None).await.map(drop),
        };
        self.ask(&Method::POST, "/api/v1/revocations", Some(&named)).await.map(drop)
    }

    async fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let Some((admin, token)) = self.known.get() else {
            return Err("the gateway does not run yet".to_owned());
        };
        exchange(*admin, (token, Some("demo")), (method, path, body)).await.map_err(said)
    }
}

fn said(failure: Failure) -> String {
    match failure {
        Failure::NotRunning => "no gateway runs".to_owned(),
        Failure::Transport(text) | Failure::Refused(_, text) => text,
    }
}

/// Eight letters and digits: easy to copy, and other ones at each start.
fn password() -> io::Result<String> {
    Ok(BASE32_NOPAD.encode(&random::<5>()?).to_ascii_lowercase())
}

pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_folder_is_its_owners_alone_and_goes_away() {
        let folder = Folder::new().unwrap();
        let path = folder.token().parent().unwrap().to_path_buf();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(folder.token(), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn nobody_is_revoked_before_the_gateway_runs() {
        assert!(Operator::default().revoke("c-1").await.is_err());
        assert_ne!(password().unwrap(), password().unwrap());
    }
}

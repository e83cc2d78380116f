use std::{fs, path::Path, sync::Arc, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tokio::time;
use vestibule_core::rejection::Rejection;
use vestibule_verify::{
    jwt::{Algorithm, Expectations},
    mint::Signer,
};

use super::rig::{EXP, ask, issuer, jwks, now, signer, token, token_with, yes};
use crate::{Authority, AuthorityError, Issuer, KeySource, KeyState, words};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn jwks_file(path: &Path) -> Result<Arc<Authority>, AuthorityError> {
    Authority::new(vec![issuer("file", KeySource::JwksFile(path.to_owned()))])
}

fn secret_file(path: &Path) -> Result<Arc<Authority>, AuthorityError> {
    let expectations = Expectations {
        issuer: None,
        algorithms: Box::new([Algorithm::Hs256]),
        ..Expectations::new("local", ["chat"])
    };
    let source = KeySource::SecretFile(path.to_owned());
    Authority::new(vec![Issuer { name: "local".into(), source, expectations }])
}

#[test]
fn a_key_file_that_will_not_do_is_told_with_its_path() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keys.json");
    let refuses = |why: &str| {
        let error = words::of(&jwks_file(&path).unwrap_err());
        assert!(error.contains("keys.json") && error.contains(why), "{error:?}: {why}");
    };
    refuses("No such file");
    for text in ["", "{}", "hello"] {
        fs::write(&path, text).unwrap();
        refuses("");
    }
    fs::write(&path, r#"{"keys":[]}"#).unwrap();
    refuses("it is empty");
    fs::write(&path, r#"{"keys":[{"kty":"EC"}]}"#).unwrap();
    refuses("no key that can be used");
    fs::write(&path, " ".repeat(300_000)).unwrap();
    refuses("longer than");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuses("directory");
}

#[test]
fn a_secret_is_the_bytes_of_its_file_less_one_newline() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("secret");
    let check = |file: &[u8], secret: &[u8]| {
        fs::write(&path, file).unwrap();
        let key = Signer::from_secret(Algorithm::Hs256, secret).unwrap();
        let claims = json!({ "aud": "chat", "sub": "alice", "exp": EXP });
        let authority = secret_file(&path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask(&authority, &token_with(&key, &claims)))
    };
    assert_eq!(check(SECRET, SECRET), yes("alice"));
    assert_eq!(check(&[SECRET, b"\n"].concat(), SECRET), yes("alice"));
    let twice = [SECRET, b"\n\n"].concat();
    assert_eq!(check(&twice, &twice[..33]), yes("alice"));
    assert_eq!(check(&twice, SECRET), Err(Rejection::TokenSignature));
    let crlf = [SECRET, b"\r\n"].concat();
    assert_eq!(check(&crlf, &crlf[..33]), yes("alice"));
    fs::write(&path, "short").unwrap();
    let error = words::of(&secret_file(&path).unwrap_err());
    assert!(error.contains("/secret") && error.contains("32 bytes"), "{error}");
}

#[tokio::test]
async fn a_changed_file_is_read_when_a_token_needs_it() {
    let (dir, old, new) = (TempDir::new().unwrap(), signer(), signer());
    let path = dir.path().join("keys.json");
    fs::write(&path, jwks(&[&old]).to_string()).unwrap();
    let authority = jwks_file(&path).unwrap();
    assert_eq!(now(&authority, &token(&old, "alice")), Some(yes("alice")));
    fs::write(&path, jwks(&[&new]).to_string()).unwrap();
    assert_eq!(ask(&authority, &token(&new, "bob")).await, yes("bob"));
    let said = ask(&authority, &token(&old, "alice")).await;
    assert_eq!(said, Err(Rejection::TokenKeyUnknown));
}

/// Lets the background look at the file, on a clock that only this test moves.
async fn look_again(authority: &Authority, done: impl Fn(&crate::Readiness) -> bool) {
    for _ in 0..1000 {
        if done(&authority.readiness()[0]) {
            return;
        }
        time::advance(Duration::from_millis(100)).await;
        // The file is read in another thread; wait for that, not for the time.
        tokio::task::spawn_blocking(|| {}).await.unwrap();
    }
    panic!("the background never looked");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_in_the_background_and_a_broken_one_changes_nothing() {
    let (dir, old, new) = (TempDir::new().unwrap(), signer(), signer());
    let path = dir.path().join("keys.json");
    fs::write(&path, jwks(&[&old]).to_string()).unwrap();
    let authority = jwks_file(&path).unwrap();
    let background = tokio::spawn(Arc::clone(&authority).keep_fresh());

    fs::write(&path, "{").unwrap();
    look_again(&authority, |state| state.last_error.is_some()).await;
    assert_eq!(now(&authority, &token(&old, "alice")), Some(yes("alice")));
    assert!(authority.readiness()[0].is_ready());

    fs::remove_file(&path).unwrap();
    let gone = |error: &String| error.contains("No such file");
    look_again(&authority, |state| state.last_error.as_ref().is_some_and(gone)).await;
    assert_eq!(now(&authority, &token(&old, "bob")), Some(yes("bob")));
    // A file is not a provider: its last good content has no end.
    time::advance(Duration::from_hours(1000)).await;
    assert_eq!(now(&authority, &token(&old, "carol")), Some(yes("carol")));

    fs::write(&path, jwks(&[&new]).to_string()).unwrap();
    look_again(&authority, |state| state.last_error.is_none()).await;
    assert_eq!(now(&authority, &token(&new, "dave")), Some(yes("dave")));

    fs::write(&path, jwks(&[]).to_string()).unwrap();
    look_again(&authority, |state| state.state == KeyState::Empty).await;
    assert!(ask(&authority, &token(&new, "dave")).await.is_err());
    background.abort();
}

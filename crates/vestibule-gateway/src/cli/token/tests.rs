//! Tokens on the command line.

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_verify::mint::Signer;

use super::{super::tests::vestibule, *};

/// A folder with keys in files.
struct Keys {
    folder: TempDir,
    signer: Signer,
}

/// When the tests take place.
const NOW: i64 = 1_700_000_000;

impl Keys {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let signer = Signer::generate(Algorithm::Es256).unwrap();
        let keys = Self { folder, signer };
        keys.write("jwks", keys.signer.public_jwks().to_string());
        keys.write("pem", keys.signer.to_pem().unwrap().as_str());
        keys.write("secret", format!("{}\n", "s".repeat(64)));
        keys
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(PathBuf::from(self.path(name)), bytes).unwrap();
    }

    fn token(&self, change: &[(&str, Value)]) -> String {
        let mut claims = json!({
            "iss": "https://idp.example", "aud": ["a", "b"], "sub": "alice", "exp": NOW + 60,
            "iat": NOW, "scope": "chat read",
        });
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        self.signer.sign(Some("at+jwt"), &claims).unwrap()
    }

    /// Verifies by the key set, with these arguments more; `error` and `valid` of each line.
    fn verify(&self, arguments: &[&str], input: &[u8]) -> (Exit, Vec<Value>) {
        let jwks = self.path("jwks");
        let arguments = [&["token", "verify", "--jwks", &jwks], arguments].concat();
        let ran = vestibule(&arguments, input, &[]);
        let lines = ran.output.lines().map(|line| serde_json::from_str(line).unwrap());
        (ran.exit, lines.collect())
    }
}

#[test]
fn a_good_token_is_told_whose_it_is() {
    let keys = Keys::new();
    let token = keys.token(&[("jti", "t1".into()), ("groups", json!(["g"]))]);
    let (exit, lines) =
        keys.verify(&["--issuer", "https://idp.example", "--audience", "b", &token], b"");
    assert_eq!(exit, Exit::Fine);
    let expected = json!({
        "valid": true, "subject": "alice", "issuer": "https://idp.example", "scopes": ["chat", "read"],
        "token_id": "t1", "groups": ["g"], "issued": NOW, "expires": NOW + 60, "expires_in": 60,
    });
    assert_eq!(lines, [expected]);
}

#[test]
fn each_expectation_counts() {
    let keys = Keys::new();
    let token = keys.token(&[]);
    for (arguments, error) in [
        (&[][..], None),
        (&["--audience", "x,a"], None),
        (&["--audience", "x", "--audience", "b"], None),
        (&["--audience", "x"], Some("token_audience")),
        (&["--audience", ""], Some("token_audience")),
        (&["--issuer", "https://idp.example/"], Some("token_issuer")),
        (&["--issuer", ""], Some("token_issuer")),
        (&["--algorithms", "RS256,ES256"], None),
        (&["--algorithms", "RS256"], Some("token_algorithm")),
        (&["--typ", "JWT"], Some("token_type")),
        (&["--now", "1700000089"], None),
        (&["--now", "1700000090"], Some("token_expired")),
        (&["--now", "2023-11-14T22:15:00Z"], Some("token_expired")),
        (&["--now", "1700000061", "--clock-skew", "0"], Some("token_expired")),
        (&["--now", "-1"], Some("token_not_yet_valid")),
        (&["--clock-skew", "0s"], None),
    ] {
        let (exit, lines) = keys.verify(&[arguments, &[&token]].concat(), b"");
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["label"].as_str(), error, "{arguments:?}");
        assert_eq!(line["valid"], error.is_none(), "{arguments:?}");
        assert_eq!(exit, if error.is_none() { Exit::Fine } else { Exit::Refused });
        if error.is_some() {
            assert!(line["error"].is_string() && !line["reason"].as_str().unwrap().is_empty());
        }
    }
    for arguments in [
        &["--algorithms", "none"][..],
        &["--algorithms", ""],
        &["--now", "soon"],
        &["--clock-skew", "x"],
    ] {
        assert_eq!(keys.verify(&[arguments, &[&token]].concat(), b"").0, Exit::Usage);
    }
}

#[test]
fn tokens_are_read_one_a_line() {
    let keys = Keys::new();
    let good = keys.token(&[]);
    let input = format!("{good}\r\n\n  \n{good}x\n {good}\n{good}");
    let (exit, lines) = keys.verify(&[], input.as_bytes());
    assert_eq!(exit, Exit::Refused);
    let valid: Vec<_> = lines.iter().map(|line| line["valid"].as_bool().unwrap()).collect();
    assert_eq!(valid, [true, false, false, true]);
    // All of them good: fine. None at all: not.
    assert_eq!(keys.verify(&[], format!("{good}\n{good}\n").as_bytes()).0, Exit::Fine);
    assert_eq!(keys.verify(&[], b"\n\n").0, Exit::Failed);
    assert_eq!(keys.verify(&[], b"").0, Exit::Failed);
}

#[test]
fn a_token_that_is_too_long_is_refused_and_the_next_is_read() {
    let keys = Keys::new();
    let good = keys.token(&[]);
    let input = format!("{good}{}\n{good}\n", "A".repeat(3_000_000));
    let (exit, lines) = keys.verify(&[], input.as_bytes());
    assert_eq!(exit, Exit::Refused);
    assert_eq!(
        (lines[0]["label"].as_str(), &lines[1]["valid"]),
        (Some("token_malformed"), &json!(true))
    );
    assert_eq!(lines.len(), 2);
    let long = "A".repeat(limits::CREDENTIAL_BYTES + 1);
    assert_eq!(keys.verify(&[&long], b"").0, Exit::Refused);
}

#[test]
fn a_secret_checks_only_what_secrets_sign() {
    let keys = Keys::new();
    let signer = |algorithm, bytes: usize| {
        Signer::from_secret(algorithm, "s".repeat(bytes).as_bytes()).unwrap()
    };
    let claims = json!({"sub": "alice", "exp": NOW + 60});
    let token = |algorithm, bytes| signer(algorithm, bytes).sign(None, &claims).unwrap();
    let secret = keys.path("secret");
    let verify = |arguments: &[&str]| {
        vestibule(&[&["token", "verify", "--secret", &secret], arguments].concat(), b"", &[]).exit
    };
    assert_eq!(verify(&[&token(Algorithm::Hs256, 64)]), Exit::Fine);
    assert_eq!(verify(&[&token(Algorithm::Hs256, 63)]), Exit::Refused);
    assert_eq!(verify(&[&token(Algorithm::Hs512, 64)]), Exit::Refused);
    assert_eq!(verify(&["--algorithms", "HS512", &token(Algorithm::Hs512, 64)]), Exit::Fine);
    assert_eq!(verify(&["--algorithms", "RS256", &token(Algorithm::Hs256, 64)]), Exit::Usage);
    assert_eq!(verify(&[&keys.token(&[])]), Exit::Refused);
    // A public key is no secret, whoever says so.
    let jwks = keys.path("jwks");
    let forged = Signer::from_secret(Algorithm::Hs256, &fs::read(&jwks).unwrap()).unwrap();
    let forged = forged.sign(None, &claims).unwrap();
    assert_eq!(keys.verify(&[&forged], b"").0, Exit::Refused);
    assert_eq!(keys.verify(&["--algorithms", "HS256,ES256", &forged], b"").0, Exit::Refused);
}

#[test]
fn keys_that_cannot_be_used_let_nobody_in() {
    let keys = Keys::new();
    let good = keys.token(&[]);
    for bytes in ["", "{", "[]", "{\"keys\":[]}", "{\"keys\":7}", "\u{0}"] {
        keys.write("jwks", bytes);
        let (exit, lines) = keys.verify(&[&good], b"");
        assert_eq!((exit, &lines[0]["valid"]), (Exit::Refused, &json!(false)), "{bytes}");
    }
    keys.write("short", "s".repeat(31));
    let short = keys.path("short");
    let ran = vestibule(&["token", "verify", "--secret", &short, &good], b"", &[]);
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.output.contains("32 bytes"), "{}", ran.output);
    let ran = vestibule(&["token", "verify", "--jwks", "/nowhere", &good], b"", &[]);
    assert_eq!((ran.exit, ran.output.as_str()), (Exit::Failed, ""));
}

#[cfg(unix)]
#[test]
fn an_argument_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut seen = Vec::new();
    let arguments = vec![OsString::from_vec(vec![0xff, b'.']), OsString::new()];
    let count = for_each_token(arguments, &mut io::empty(), |token| {
        seen.push(token.to_vec());
        Ok(())
    });
    assert_eq!((count.unwrap(), seen), (2, vec![vec![0xff, b'.'], Vec::new()]));
}

#[test]
fn what_is_minted_verifies() {
    let keys = Keys::new();
    let (pem, secret) = (keys.path("pem"), keys.path("secret"));
    let usual = ["--subject", "alice", "--issuer", "me", "--audience", "a,b", "--scope", "chat"];
    let mint = |more: &[&str]| {
        let ran = vestibule(&[&["token", "mint"], &usual[..], more].concat(), b"", &[]);
        assert_eq!((ran.exit, ran.error.as_str()), (Exit::Fine, ""), "{more:?}");
        assert_eq!(ran.output.lines().count(), 1);
        ran.output.trim().to_owned()
    };
    let token = mint(&["--key", &pem, "--expires-in", "5m"]);
    let (exit, lines) = keys.verify(&["--issuer", "me", "--audience", "a", &token], b"");
    assert_eq!((exit, &lines[0]["expires_in"]), (Exit::Fine, &json!(300)));
    assert_eq!(lines[0]["scopes"], json!(["chat"]));
    let token = mint(&[
        "--secret",
        &secret,
        "--alg",
        "HS512",
        "--claim",
        "exp=1700000001",
        "--kid",
        "k",
        "--typ",
        "",
    ]);
    let arguments = ["token", "verify", "--secret", &secret, "--algorithms", "HS512", &token];
    assert_eq!(vestibule(&arguments, b"", &[]).exit, Exit::Fine);
    let ran = vestibule(&["token", "inspect", &token], b"", &[]);
    let shown: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(shown["header"], json!({"alg": "HS512", "kid": "k"}));
    assert_eq!(shown["claims"]["aud"], json!(["a", "b"]));
    assert_eq!(shown["claims"]["jti"].as_str().unwrap().len(), 32);
    assert_eq!(shown["dates"]["exp"], "2023-11-14T22:13:21Z (in 1s)");
}

#[test]
fn what_cannot_sign_is_refused() {
    let keys = Keys::new();
    let (pem, secret, jwks) = (keys.path("pem"), keys.path("secret"), keys.path("jwks"));
    for (arguments, exit) in [
        (&["--key", &pem, "--alg", "RS256"][..], Exit::Failed),
        (&["--key", &secret], Exit::Failed),
        (&["--key", &jwks], Exit::Failed),
        (&["--secret", &secret, "--alg", "ES256"], Exit::Failed),
        (&["--secret", "/nowhere"], Exit::Failed),
        (&["--secret", &secret, "--claim", "x"], Exit::Usage),
        (&["--secret", &secret, "--claim", "x=y"], Exit::Usage),
        (&["--secret", &secret, "--key", &pem], Exit::Usage),
    ] {
        let ran = vestibule(&[&["token", "mint"], arguments].concat(), b"", &[]);
        assert_eq!((ran.exit, ran.output.as_str()), (exit, ""), "{arguments:?}");
    }
}

#[test]
fn a_private_jwk_signs_too() {
    let keys = Keys::new();
    // RFC 8037 appendix A.1
    keys.write(
        "jwk",
        r#" {"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    );
    let path = keys.path("jwk");
    assert_eq!(vestibule(&["token", "mint", "--key", &path], b"", &[]).exit, Exit::Fine);
    let arguments = ["token", "mint", "--key", &path, "--alg", "ES256"];
    assert_eq!(vestibule(&arguments, b"", &[]).exit, Exit::Failed);
}

#[test]
fn inspecting_says_that_nothing_was_verified() {
    let keys = Keys::new();
    let token = keys.token(&[("exp", json!(1e300)), ("iat", json!(-5)), ("nbf", json!("x"))]);
    let ran = vestibule(&["token", "inspect"], token.as_bytes(), &[]);
    assert_eq!(ran.exit, Exit::Fine);
    assert!(ran.error.contains("not verified"), "{}", ran.error);
    let shown: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(shown.get("dates"), None);
    let ran = vestibule(&["token", "inspect", "a.b.c"], b"", &[]);
    assert_eq!((ran.exit, ran.output.as_str()), (Exit::Refused, ""));
    assert_eq!(vestibule(&["token", "inspect"], b"", &[]).exit, Exit::Failed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_makes_it_fall_over(input in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "s".repeat(32)).unwrap();
        let path = path.display().to_string();
        let ran = vestibule(&["token", "verify", "--secret", &path], &input, &[]);
        prop_assert!(matches!(ran.exit, Exit::Refused | Exit::Failed));
        let valid = ran.output.lines().any(|line| {
            serde_json::from_str::<Value>(line).unwrap()["valid"] != json!(false)
        });
        prop_assert!(!valid);
        vestibule(&["token", "inspect"], &input, &[]);
    }
}

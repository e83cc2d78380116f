//! Lines, JSON Web Keys and fingerprints.

use super::*;

const BLOB: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOJKMuIwHoFcg7F/oa3X2eIe9kfVedUo8cdLIqZrJlAU";

fn refused(line: &str) -> String {
    match AuthorizedKey::from_line(line) {
        Ok(key) => panic!("{line}: {key:?}"),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn a_line_is_read_as_sshd_reads_it() {
    for (line, comment) in [
        (format!("ssh-ed25519 {BLOB}"), ""),
        (format!("  ssh-ed25519\t {BLOB}\r\n"), ""),
        (format!("ssh-ed25519 {BLOB} alice@example laptop "), "alice@example laptop"),
        (format!("from=\"10.0.0.1\" ssh-ed25519 {BLOB} \"a\" b"), "\"a\" b"),
        (format!("expiry-time=\"20260101Z\",from=\"10.0.0.1,10.0.0.2\"\t ssh-ed25519 {BLOB}"), ""),
    ] {
        let key = key(&line);
        assert_eq!(key.comment(), comment);
        assert_eq!(
            key.fingerprint().to_string(),
            "SHA256:+ay0P5iwBQx1A1Q436qxez5GVMaD+dxCaFrmEtc4jMw"
        );
        let again = AuthorizedKey::from_line(&key.to_line()).unwrap();
        assert_eq!((again.to_line(), again.expires()), (key.to_line(), key.expires()));
    }
    assert_eq!(
        key(ECDSA).fingerprint().to_string(),
        "SHA256:b/6bYvY1MVoNqDxxVCik9FT8sBfx+APpRBcINHhYmpM"
    );
    let key = key(&format!("FROM=\"10.0.0.1\",expiry-time=\"20260101Z\" ssh-ed25519 {BLOB} x"));
    let line = format!("expiry-time=\"20260101000000Z\",from=\"10.0.0.1\" ssh-ed25519 {BLOB} x");
    assert_eq!(key.to_line(), line);
}

#[test]
fn an_option_that_cannot_be_kept_is_refused() {
    for option in [
        "command=\"/bin/true\"",
        "command=\"echo \\\"x\\\", y\"",
        "restrict",
        "no-pty",
        "no-port-forwarding",
        "permitopen=\"localhost:80\"",
        "permitlisten=\"8080\"",
        "environment=\"A=b\"",
        "principals=\"alice\"",
        "verify-required",
        "no-touch-required",
        "tunnel=\"0\"",
        "pty",
        "from=\"10.0.0.1\",command=\"x\"",
        "unknown-to-us",
        "x",
    ] {
        let reason = refused(&format!("{option} ssh-ed25519 {BLOB}"));
        assert!(reason.contains("cannot be kept here"), "{option}: {reason}");
    }
    for option in ["cert-authority", "CERT-AUTHORITY", "cert-authority,from=\"10.0.0.1\""] {
        assert!(refused(&format!("{option} ssh-ed25519 {BLOB}")).contains("certificates"));
    }
}

#[test]
fn options_have_one_reading() {
    for options in [
        "from=10.0.0.1",
        "from",
        "from=\"\"",
        "from=\"example.com\"",
        "from=\"10.0.0.1",
        "from=\"10.0.0.1\\\"",
        "from=\"10.0.0.1\"x",
        "from=\"10.0.0.1\",",
        ",from=\"10.0.0.1\"",
        "from=\"10.0.0.1\",,expiry-time=\"20260101Z\"",
        "from=\"10.0.0.1\",from=\"10.0.0.2\"",
        "from=\"10.0.0.1\" expiry-time=\"20260101Z\"",
        "expiry-time=\"20260101Z\",expiry-time=\"20270101Z\"",
        "expiry-time=\"20260101\"",
        "expiry-time=\"never\"",
        "expiry-time=20260101Z",
        "expiry-time",
        "=\"x\"",
        "\"x\"",
    ] {
        refused(&format!("{options} ssh-ed25519 {BLOB}"));
    }
    assert!(refused("from=\"10.0.0.1\"").contains("not followed by a key"));
    assert!(refused(&format!("expiry-time=\"20260101\" ssh-ed25519 {BLOB}")).contains("final Z"));
}

#[test]
fn a_line_holds_one_key_of_a_type_that_is_accepted() {
    for line in ["", " ", "# comment", "#", "ssh-ed25519", "ssh-ed25519 ", "alice", BLOB] {
        refused(line);
    }
    for (kind, blob) in [
        ("ssh-ed25519", BLOB.trim_end_matches("rJlAU")),
        ("ssh-ed25519", "AAAA"),
        ("ssh-ed25519", "!"),
        ("ecdsa-sha2-nistp256", BLOB),
        ("SSH-ED25519", BLOB),
        ("ssh-ed25519x", BLOB),
    ] {
        refused(&format!("{kind} {blob}"));
    }
    for kind in [
        "ssh-rsa",
        "ssh-dss",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp384",
        "ssh-ed25519-cert-v01@openssh.com",
    ] {
        assert!(refused(&format!("{kind} {BLOB}")).contains("is not accepted"), "{kind}");
    }
    assert!(refused(include_str!("../testdata/rsa.pub")).contains("is not accepted"));
    for line in ["", "# ssh-ed25519"] {
        assert!(refused(line).contains("no key in this line"), "{line}");
    }
    let longest = format!("ssh-ed25519 {BLOB} {}", "x".repeat(8192 - 13 - BLOB.len()));
    key(&longest);
    assert!(refused(&format!("{longest}x")).contains("too long"));
    refused(&format!("ssh-ed25519 {BLOB}\nssh-ed25519 {BLOB}"));
    refused(&format!("ssh-ed25519 {BLOB} {}", "x".repeat(9000)));
    let blob = BASE64.decode(BLOB.as_bytes()).unwrap();
    refused(&format!("ssh-ed25519 {}", BASE64.encode(&[&blob[..], &[0]].concat())));
    refused(&format!("ssh-ed25519 {}", BASE64.encode(&blob[..blob.len() - 1])));
}

#[test]
fn a_point_is_on_the_curve_and_uncompressed() {
    let blob = BASE64.decode(ECDSA.split(' ').nth(1).unwrap().as_bytes()).unwrap();
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut blob = blob.clone();
        edit(&mut blob);
        AuthorizedKey::from_line(&format!("ecdsa-sha2-nistp256 {}", BASE64.encode(&blob)))
    };
    assert!(edited(&|_| {}).is_ok());
    assert!(edited(&|blob| *blob.last_mut().unwrap() ^= 1).is_err());
    let at = blob.len() - 65;
    assert!(edited(&|blob| blob[at] = 6).is_err());
    assert!(
        edited(&|blob| {
            blob[at] = 2 + (blob.last().unwrap() & 1);
            blob[at - 1] = 33;
            blob.truncate(at + 33);
        })
        .is_err()
    );
    // The curve's name inside.
    assert!(edited(&|blob| blob[at - 5] = b'7').is_err());
}

#[test]
fn a_json_web_key_is_public_and_for_signatures() {
    let good = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let with = |name: &str, value: serde_json::Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        AuthorizedKey::from_jwk(jwk.to_string().as_bytes())
    };
    assert!(with("kid", "any".into()).is_ok());
    assert!(with("alg", "EdDSA".into()).is_ok());
    assert!(with("use", "sig".into()).is_ok());
    assert!(with("d", "AAAA".into()).unwrap_err().to_string().contains("private"));
    for (name, value) in [
        ("alg", "ES256"),
        ("use", "enc"),
        ("kty", "EC"),
        ("kty", "RSA"),
        ("kty", "oct"),
        ("crv", "Ed448"),
        ("crv", "X25519"),
        ("x", ""),
        ("x", "AAAA"),
        ("x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    ] {
        assert!(with(name, value.into()).is_err(), "{name} {value}");
    }
    for value in [serde_json::json!(["sign"]), serde_json::json!([]), serde_json::json!("verify")] {
        assert!(with("key_ops", value).is_err());
    }
    assert!(with("alg", 1.into()).is_err());
    for json in ["", "{}", "[]", r#"{"kty":"OKP","kty":"OKP"}"#] {
        assert!(AuthorizedKey::from_jwk(json.as_bytes()).is_err());
    }
    assert!(AuthorizedKey::from_jwk(&vec![b' '; 9000]).is_err());
}

#[test]
fn a_fingerprint_has_one_spelling() {
    let text = key(ED25519).fingerprint().to_string();
    assert_eq!(Fingerprint::parse(&text), Some(key(ED25519).fingerprint()));
    for text in [
        "",
        "SHA256:",
        "SHA256:AAAA",
        text.trim_start_matches('S'),
        &text.replace("SHA256", "sha256"),
        &format!("{text}="),
        &format!("{text} "),
        &text.replace('+', "-"),
        &text.replace("SHA256:", "SHA256: "),
        "MD5:aa:bb",
    ] {
        assert_eq!(Fingerprint::parse(text), None, "{text}");
    }
}

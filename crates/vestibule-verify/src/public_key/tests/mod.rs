mod keys;
mod properties;

use core::net::IpAddr;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use data_encoding::BASE64;
use vestibule_core::{rejection::Rejection, time::UnixTime};

use super::*;
use crate::{Refused, encoding::to_base64url};

const NOW: UnixTime = UnixTime::from_secs(1_767_225_600);
const PEER: &str = "192.0.2.7";
const NONCE: [u8; 32] = [7; 32];

const ED25519: &str = include_str!("../testdata/ed25519.pub");
const ECDSA: &str = include_str!("../testdata/ecdsa.pub");
const ED25519_SHA512: &str = include_str!("../testdata/ed25519-sha512.sig");
const ED25519_SHA256: &str = include_str!("../testdata/ed25519-sha256.sig");
const ECDSA_SHA512: &str = include_str!("../testdata/ecdsa-sha512.sig");
const ECDSA_SHA256: &str = include_str!("../testdata/ecdsa-sha256.sig");
const OTHER_NAMESPACE: &str = include_str!("../testdata/other-namespace.sig");
const RSA: &str = include_str!("../testdata/rsa.sig");

fn key(line: &str) -> AuthorizedKey {
    AuthorizedKey::from_line(line).unwrap_or_else(|fault| panic!("{line}: {fault}"))
}

/// The challenge that the signatures in `testdata` answer.
fn challenge() -> Challenge {
    Challenge::new(NONCE, "ws.example.com", "/chat", Some("https://app.example")).unwrap()
}

fn answer(key: &AuthorizedKey, challenge: Challenge, sshsig: &str) -> Result<(), Refused> {
    let signature = Signature::ssh(sshsig)?;
    challenge.answer(Some(key), &signature, PEER.parse().unwrap(), NOW).map(drop)
}

fn rejects(result: Result<(), Refused>, rejection: Rejection) {
    assert_eq!(result.map_err(|refused| refused.rejection), Err(rejection));
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Two keys as a browser has them, and what they sign.
fn pairs() -> [(String, Sign); 2] {
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let ed25519_jwk = serde_json::json!({
        "kty": "OKP", "crv": "Ed25519", "x": to_base64url(ed25519.public_key().as_ref()),
        "key_ops": ["verify"], "ext": true, "alg": "Ed25519",
    });
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = p256.public_key().as_ref();
    let p256_jwk = serde_json::json!({
        "kty": "EC", "crv": "P-256", "x": to_base64url(&point[1..33]), "y": to_base64url(&point[33..]),
        "key_ops": ["verify"], "ext": true,
    });
    [
        (ed25519_jwk.to_string(), Box::new(move |message| ed25519.sign(message).as_ref().to_vec())),
        (
            p256_jwk.to_string(),
            Box::new(move |message| {
                p256.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }),
        ),
    ]
}

#[test]
fn what_ssh_keygen_signed_is_accepted() {
    for (line, signature) in [
        (ED25519, ED25519_SHA512),
        (ED25519, ED25519_SHA256),
        (ECDSA, ECDSA_SHA512),
        (ECDSA, ECDSA_SHA256),
    ] {
        answer(&key(line), challenge(), signature).unwrap();
        let bare: String =
            signature.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().concat();
        answer(&key(line), challenge(), &bare).unwrap();
        answer(&key(line), challenge(), &signature.replace('\n', "\r\n")).unwrap();
        answer(&key(line), challenge(), signature.trim()).unwrap();
    }
}

#[test]
fn the_signed_bytes_are_those_of_the_document() {
    let text = "vestibule-public-key-v1\0BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\0ws.example.com\0/chat\0";
    assert_eq!(challenge().signed_bytes(), format!("{text}https://app.example").as_bytes());
    let without = Challenge::new(NONCE, "ws.example.com", "/chat", None).unwrap();
    assert_eq!(without.signed_bytes(), text.as_bytes());
    assert_eq!(without.nonce().len(), 43);
    for (host, path, origin) in [("a\0b", "/", None), ("a", "/\0", None), ("a", "/", Some("\0"))] {
        assert!(Challenge::new(NONCE, host, path, origin).is_none());
    }
}

#[test]
fn a_signature_for_another_connection_host_path_or_page_is_worth_nothing() {
    let origin = Some("https://app.example");
    for other in [
        Challenge::new([8; 32], "ws.example.com", "/chat", origin),
        Challenge::new(NONCE, "ws.example.com:8443", "/chat", origin),
        Challenge::new(NONCE, "evil.example", "/chat", origin),
        Challenge::new(NONCE, "ws.example.com", "/chat/", origin),
        Challenge::new(NONCE, "ws.example.com", "/chat", Some("https://evil.example")),
        Challenge::new(NONCE, "ws.example.com", "/chat", None),
        Challenge::new(NONCE, "ws.example.com", "", Some("/chat")),
    ] {
        rejects(
            answer(&key(ED25519), other.unwrap(), ED25519_SHA512),
            Rejection::CredentialsInvalid,
        );
    }
}

#[test]
fn only_the_registered_key_counts_not_the_one_in_the_signature() {
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    rejects(answer(&key(other), challenge(), ED25519_SHA512), Rejection::CredentialsInvalid);
    rejects(answer(&key(ECDSA), challenge(), ED25519_SHA512), Rejection::CredentialsInvalid);
    rejects(answer(&key(ED25519), challenge(), ECDSA_SHA512), Rejection::CredentialsInvalid);
}

#[test]
fn a_signature_for_something_else_is_refused() {
    let refused = Signature::ssh(OTHER_NAMESPACE).unwrap_err();
    assert!(refused.reason.contains("another namespace"), "{refused}");
    rejects(answer(&key(ED25519), challenge(), OTHER_NAMESPACE), Rejection::MalformedMessage);
    rejects(answer(&key(ED25519), challenge(), RSA), Rejection::MalformedMessage);
}

#[test]
fn an_unknown_key_and_a_wrong_signature_get_one_answer() {
    let peer: IpAddr = PEER.parse().unwrap();
    let wrong = Signature::raw(&to_base64url(&[0; 64])).unwrap();
    let known = challenge().answer(Some(&key(ED25519)), &wrong, peer, NOW).unwrap_err();
    let unknown = challenge().answer(None, &wrong, peer, NOW).unwrap_err();
    assert_eq!(known.rejection, Rejection::CredentialsInvalid);
    assert_eq!(unknown.rejection, known.rejection);
    let right = Signature::ssh(ED25519_SHA512).unwrap();
    assert!(challenge().answer(None, &right, peer, NOW).is_err());
}

#[test]
fn the_limits_of_a_key_hold_for_good_signatures_and_look_like_bad_ones() {
    let limited = |options: &str| key(&format!("{options} {ED25519}"));
    let check = |options: &str| answer(&limited(options), challenge(), ED25519_SHA512);
    check("expiry-time=\"20260101000001Z\"").unwrap();
    check("from=\"192.0.2.0/24\"").unwrap();
    for options in [
        "expiry-time=\"20260101Z\"",
        "expiry-time=\"20251231235959Z\"",
        "from=\"10.0.0.0/8\"",
        "from=\"*,!192.0.2.7\"",
        "from=\"192.0.2.7\",expiry-time=\"20250101Z\"",
        "EXPIRY-TIME=\"20260102Z\",From=\"10.0.0.1\"",
    ] {
        rejects(check(options), Rejection::CredentialsInvalid);
    }
    let signature = Signature::ssh(ED25519_SHA512).unwrap();
    let key = limited("expiry-time=\"20260102Z\"");
    let possession =
        challenge().answer(Some(&key), &signature, PEER.parse().unwrap(), NOW).unwrap();
    assert_eq!(possession.expires(), Some(UnixTime::from_secs(1_767_312_000)));
    assert_eq!(possession.fingerprint(), key.fingerprint());
}

#[test]
fn what_webcrypto_signs_raw_is_accepted() {
    let peer: IpAddr = PEER.parse().unwrap();
    for (jwk, sign) in pairs() {
        let key = AuthorizedKey::from_jwk(jwk.as_bytes()).unwrap();
        let signature = Signature::raw(&to_base64url(&sign(challenge().signed_bytes()))).unwrap();
        challenge().answer(Some(&key), &signature, peer, NOW).unwrap();
        // The same key as a line.
        let line = AuthorizedKey::from_line(&key.to_line()).unwrap();
        assert_eq!(line.fingerprint(), key.fingerprint());
        challenge().answer(Some(&line), &signature, peer, NOW).unwrap();

        let other = Signature::raw(&to_base64url(&sign(b"vestibule-public-key-v1"))).unwrap();
        rejects(
            challenge().answer(Some(&key), &other, peer, NOW).map(drop),
            Rejection::CredentialsInvalid,
        );
    }
}

#[test]
fn a_raw_signature_is_64_bytes() {
    for text in ["", "AAAA", &"A".repeat(85), &"A".repeat(87), &"A".repeat(9000), &"+".repeat(86)] {
        assert_eq!(Signature::raw(text).unwrap_err().rejection, Rejection::MalformedMessage);
    }
    // DER, as other libraries sign.
    assert!(Signature::raw(&to_base64url(&[0x30; 70])).is_err());
}

#[test]
fn an_ssh_signature_has_one_form() {
    let blob = |edit: &dyn Fn(&mut Vec<u8>)| {
        let text: String = ED25519_SHA512.lines().filter(|line| !line.starts_with('-')).collect();
        let mut blob = BASE64.decode(text.as_bytes()).unwrap();
        edit(&mut blob);
        BASE64.encode(&blob)
    };
    assert!(Signature::ssh(&blob(&|_| {})).is_ok());
    let padding = crate::limits::SSHSIG_BYTES - ED25519_SHA512.len();
    let padded = |more: usize| format!("{ED25519_SHA512}{}", "\n".repeat(padding + more));
    assert!(Signature::ssh(&padded(0)).is_ok());
    assert!(Signature::ssh(&padded(1)).unwrap_err().reason.contains("too long"));
    let version = |version: u8| blob(&|blob| blob[9] = version);
    let hash = blob(&|blob| {
        let at = blob.windows(6).position(|part| part == b"sha512").unwrap();
        blob[at + 4] = b'8';
    });
    for text in [
        String::new(),
        "x".to_owned(),
        version(0),
        version(2),
        hash,
        blob(&|blob| blob.push(0)),
        blob(&|blob| blob.truncate(blob.len() - 1)),
        blob(&|blob| blob[0] = b'T'),
        ED25519_SHA512.replace("BEGIN SSH", "BEGIN PGP"),
        ED25519_SHA512.replace("-----END SSH SIGNATURE-----", ""),
        ED25519_SHA512.replacen('\n', "", 1),
        ED25519_SHA512.replace("\n-----END", "-----END"),
        format!(" {ED25519_SHA512}"),
        format!("x\n{ED25519_SHA512}"),
        format!("{ED25519_SHA512}x"),
        format!("{ED25519_SHA512}{ED25519_SHA512}"),
        ED25519_SHA512.replace('\n', " \n"),
        format!("{ED25519_SHA512}{}", "\n".repeat(9000)),
    ] {
        let refused = Signature::ssh(&text).map(drop).expect_err(&text);
        assert_eq!(refused.rejection, Rejection::MalformedMessage, "{text}");
    }
}

#[test]
fn what_is_printed_names_keys_by_their_fingerprint() {
    let key = key(&format!("from=\"10.0.0.1\" {ED25519}"));
    let seen = format!("{key:?} {:?} {:?}", challenge(), Signature::ssh(ED25519_SHA512).unwrap());
    assert!(seen.contains("SHA256:+ay0P5iwBQx1A1Q436qxez5GVMaD+dxCaFrmEtc4jMw"), "{seen}");
    assert!(!seen.contains("BwcH") && !seen.contains("alice"), "{seen}");
}

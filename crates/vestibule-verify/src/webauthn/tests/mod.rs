mod forms;
mod properties;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

use super::*;
use crate::encoding::to_base64url;

const ID: &[u8] = b"a credential";
const HANDLE: &[u8] = b"a user";
const CHALLENGE: [u8; 32] = [7; 32];
const ORIGIN: &str = "https://app.example.org";

const UP: u8 = 1;
const UV: u8 = 4;
const BE: u8 = 8;
const BS: u8 = 16;
const AT: u8 = 64;
const ED: u8 = 128;

/// An authenticator and a browser that lie as they are told.
struct Liar {
    key: EcdsaKeyPair,
    party: [u8; 32],
    client_data: Value,
    flags: u8,
    sign_count: u32,
    extra: Vec<u8>,
    handle: Option<&'static [u8]>,
}

impl Liar {
    fn new() -> Self {
        let mut party = [0; 32];
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"example.org");
        party.copy_from_slice(hash.as_ref());
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            party,
            client_data: json!({"challenge": to_base64url(&CHALLENGE), "origin": ORIGIN, "crossOrigin": false}),
            flags: UP | UV,
            sign_count: 0,
            extra: Vec::new(),
            handle: Some(HANDLE),
        }
    }

    fn says(mut self, name: &str, value: Value) -> Self {
        self.client_data[name] = value;
        self
    }

    fn cose(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        [
            &[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..],
            &point[1..33],
            &[0x22, 0x58, 32],
            &point[33..],
        ]
        .concat()
    }

    fn authenticator_data(&self, attested: &[u8]) -> Vec<u8> {
        let count = self.sign_count.to_be_bytes();
        [&self.party[..], &[self.flags], &count, attested, &self.extra].concat()
    }

    fn client_data(&self, kind: &str) -> Vec<u8> {
        let mut client_data = self.client_data.clone();
        if client_data.get("type").is_none() {
            client_data["type"] = kind.into();
        }
        client_data.to_string().into_bytes()
    }

    fn attested(&self) -> Vec<u8> {
        let length = u16::try_from(ID.len()).unwrap().to_be_bytes();
        [&[0; 16][..], &length, ID, &self.cose()].concat()
    }

    fn registration(&self) -> Vec<u8> {
        let flagged = Self {
            flags: self.flags | AT,
            extra: self.extra.clone(),
            key: duplicate(&self.key),
            client_data: Value::Null,
            ..*self
        };
        object("none", &[0xa0], &flagged.authenticator_data(&self.attested()))
    }

    fn register_as(&self, party: &RelyingParty, object: &[u8]) -> Result<Credential, Refused> {
        let id = to_base64url(ID);
        let response = json!({"id": id, "rawId": id, "type": "public-key", "response": {
            "clientDataJSON": to_base64url(&self.client_data("webauthn.create")),
            "attestationObject": to_base64url(object),
        }});
        let response = Registration::parse(response.to_string().as_bytes())?;
        party.register(Challenge::new(CHALLENGE), &response, HANDLE)
    }

    fn register(&self) -> Result<Credential, Refused> {
        self.register_as(&party(), &self.registration())
    }

    fn assertion(&self) -> Value {
        let data = self.authenticator_data(&[]);
        let client_data = self.client_data("webauthn.get");
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &client_data);
        let signed = [&data, hash.as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({"id": to_base64url(ID), "type": "public-key", "response": {
            "clientDataJSON": to_base64url(&client_data),
            "authenticatorData": to_base64url(&data),
            "signature": to_base64url(signature.as_ref()),
            "userHandle": self.handle.map(to_base64url),
        }})
    }

    fn authenticate(&self, edit: impl FnOnce(&mut Credential)) -> Result<Authenticated, Refused> {
        self.authenticate_as(&party(), ExpectedUser::Discovered, edit)
    }

    fn authenticate_as(
        &self,
        party: &RelyingParty,
        expected: ExpectedUser<'_>,
        edit: impl FnOnce(&mut Credential),
    ) -> Result<Authenticated, Refused> {
        let mut credential = self.credential();
        edit(&mut credential);
        let response = Assertion::parse(self.assertion().to_string().as_bytes())?;
        party.authenticate(Challenge::new(CHALLENGE), &response, Some(&credential), expected)
    }

    fn credential(&self) -> Credential {
        Credential {
            id: ID.into(),
            key: CredentialKey::from_cose(&self.cose()).unwrap(),
            sign_count: 0,
            backup: if self.flags & BE == 0 { Backup::OneDevice } else { Backup::Possible },
            user_handle: HANDLE.into(),
        }
    }
}

fn duplicate(key: &EcdsaKeyPair) -> EcdsaKeyPair {
    let document = key.to_pkcs8v1().unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap()
}

fn party() -> RelyingParty {
    RelyingParty::new("example.org", [ORIGIN, "https://example.org"])
}

fn object(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let format_length = 0x60 | u8::try_from(format.len()).unwrap();
    [
        &[0xa3, 0x63][..],
        b"fmt",
        &[format_length],
        format.as_bytes(),
        &[0x67],
        b"attStmt",
        statement,
        &[0x68],
        b"authData",
        &[if data.len() < 256 { 0x58 } else { 0x59 }],
        if data.len() < 256 { &length[1..] } else { &length },
        data,
    ]
    .concat()
}

fn rejects<T>(result: Result<T, Refused>, rejection: Rejection, reason: &str) {
    let refused = result.map(drop).expect_err(reason);
    assert_eq!(refused.rejection, rejection, "{refused}");
    assert!(refused.reason.contains(reason), "{refused} is not: {reason}");
}

const INVALID: Rejection = Rejection::CredentialsInvalid;
const MALFORMED: Rejection = Rejection::MalformedMessage;

#[test]
fn a_passkey_is_registered_and_used() {
    let liar = Liar::new();
    let credential = liar.register().unwrap();
    assert_eq!((&*credential.id, &*credential.user_handle), (ID, HANDLE));
    assert_eq!(credential.backup, Backup::OneDevice);
    assert_eq!(credential.key.as_cose(), liar.cose());
    let authenticated = liar.authenticate(|_| {}).unwrap();
    assert_eq!(authenticated.user(), UserVerified::Yes);
    let named = ExpectedUser::Named(HANDLE);
    assert!(liar.authenticate_as(&party(), named, |_| {}).is_ok());
    assert!(Liar { handle: None, ..Liar::new() }.authenticate_as(&party(), named, |_| {}).is_ok());
}

#[test]
fn what_the_browser_says_must_be_about_this_ceremony_and_our_page() {
    let both = |name: &str, value: Value, reason: &str| {
        rejects(Liar::new().says(name, value.clone()).register(), INVALID, reason);
        rejects(Liar::new().says(name, value).authenticate(|_| {}), INVALID, reason);
    };
    both("challenge", to_base64url(&[8; 32]).into(), "challenge");
    both("challenge", "".into(), "challenge");
    for origin in [
        "https://evil.example",
        "https://app.example.org.evil.example",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org/",
        "HTTPS://APP.EXAMPLE.ORG",
        "",
        "null",
    ] {
        both("origin", origin.into(), "no page of ours");
    }
    both("crossOrigin", true.into(), "frame");
    rejects(Liar::new().says("type", "webauthn.get".into()).register(), INVALID, "type");
    rejects(
        Liar::new().says("type", "webauthn.create".into()).authenticate(|_| {}),
        INVALID,
        "type",
    );
    rejects(Liar::new().says("type", "payment.get".into()).authenticate(|_| {}), INVALID, "type");
}

#[test]
fn client_data_has_one_reading() {
    for (name, value) in [
        ("challenge", json!(null)),
        ("challenge", json!("BwcH=")),
        ("challenge", json!(7)),
        ("origin", json!([ORIGIN])),
        ("type", json!(1)),
        ("crossOrigin", json!("false")),
        ("crossOrigin", json!(null)),
        ("topOrigin", json!("https://top.example")),
        ("topOrigin", json!(null)),
    ] {
        let result = Liar::new().says(name, value.clone()).authenticate(|_| {});
        assert!(result.is_err(), "{name} {value}");
    }
    assert!(Liar::new().says("unknown", json!({"a": [1]})).authenticate(|_| {}).is_ok());
    for text in ["", "[]", "{", r#"{"type":"webauthn.get","type":"webauthn.get"}"#, "\u{feff}{}"] {
        assert!(client_data::ClientData::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_authenticator_must_be_for_us_and_have_its_user() {
    for liar in [
        Liar { party: [0; 32], ..Liar::new() },
        Liar { flags: UV, ..Liar::new() },
        Liar { flags: UP, ..Liar::new() },
    ] {
        rejects(liar.register(), INVALID, "");
        rejects(liar.authenticate(|_| {}), INVALID, "");
    }
    let lenient = party().with_verification(UserVerification::Optional);
    let touched = Liar { flags: UP, ..Liar::new() };
    let authenticated =
        touched.authenticate_as(&lenient, ExpectedUser::Discovered, |_| {}).unwrap();
    assert_eq!(authenticated.user(), UserVerified::No);
    let absent = Liar { flags: UV, ..Liar::new() };
    rejects(absent.authenticate_as(&lenient, ExpectedUser::Discovered, |_| {}), INVALID, "present");
}

#[test]
fn backup_is_consistent_and_its_possibility_never_changes() {
    let with = |flags: u8| Liar { flags: UP | UV | flags, ..Liar::new() };
    assert_eq!(with(BE).register().unwrap().backup, Backup::Possible);
    assert_eq!(with(BE | BS).register().unwrap().backup, Backup::Done);
    rejects(with(BS).register(), INVALID, "backed up");
    rejects(with(BS).authenticate(|_| {}), INVALID, "backed up");
    assert_eq!(with(BE | BS).authenticate(|_| {}).unwrap().backup(), Backup::Done);
    assert!(with(BE).authenticate(|credential| credential.backup = Backup::Done).is_ok());
    for (flags, was) in [
        (0, Backup::Possible),
        (0, Backup::Done),
        (BE, Backup::OneDevice),
        (BE | BS, Backup::OneDevice),
    ] {
        rejects(with(flags).authenticate(|credential| credential.backup = was), INVALID, "changed");
    }
}

#[test]
fn a_count_goes_up_or_is_not_kept() {
    let run = |stored: u32, now: u32| {
        let liar = Liar { sign_count: now, ..Liar::new() };
        liar.authenticate(|credential| credential.sign_count = stored).map(|done| done.sign_count())
    };
    for (stored, now) in [(0, 0), (0, 1), (1, 2), (u32::MAX - 1, u32::MAX)] {
        assert_eq!(run(stored, now), Ok(now));
    }
    for (stored, now) in [(1, 1), (2, 1), (1, 0), (u32::MAX, 0)] {
        rejects(run(stored, now), INVALID, "count");
    }
}

#[test]
fn a_passkey_counts_for_its_user_alone() {
    let other: &[u8] = b"another user";
    let named = ExpectedUser::Named(other);
    let expect_wrong =
        |result: Result<Authenticated, Refused>| rejects(result, INVALID, "unknown credential");
    expect_wrong(Liar::new().authenticate_as(&party(), named, |_| {}));
    expect_wrong(Liar { handle: None, ..Liar::new() }.authenticate_as(&party(), named, |_| {}));
    expect_wrong(Liar { handle: None, ..Liar::new() }.authenticate(|_| {}));
    expect_wrong(Liar::new().authenticate(|credential| credential.user_handle = other.into()));
    let lies = Liar { handle: Some(b"another user"), ..Liar::new() };
    expect_wrong(lies.authenticate(|_| {}));
    expect_wrong(lies.authenticate_as(&party(), ExpectedUser::Named(HANDLE), |_| {}));
}

#[test]
fn an_unknown_credential_looks_like_a_wrong_signature() {
    let liar = Liar::new();
    let response = Assertion::parse(liar.assertion().to_string().as_bytes()).unwrap();
    let unknown =
        party().authenticate(Challenge::new(CHALLENGE), &response, None, ExpectedUser::Discovered);
    let wrong = liar.authenticate(|credential| credential.key = Liar::new().credential().key);
    let other = liar.authenticate(|credential| credential.id = (*b"another").into());
    let [unknown, wrong, other] = [unknown, wrong, other].map(Result::unwrap_err);
    assert_eq!(unknown, wrong);
    assert_eq!(unknown, other);
}

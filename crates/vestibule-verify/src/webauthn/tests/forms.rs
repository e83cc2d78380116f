//! The forms of what is read: objects, keys, responses.

use super::*;

#[test]
fn an_attestation_object_is_whole_and_believed_in_nothing() {
    let liar = Liar { flags: UP | UV | AT, ..Liar::new() };
    let data = liar.authenticator_data(&liar.attested());
    let register = |object: &[u8]| liar.register_as(&party(), object);
    assert!(register(&object("none", &[0xa0], &data)).is_ok());
    // Statements of others, even false ones.
    assert!(register(&object("packed", &[0xa1, 0x63, b's', b'i', b'g', 0x41, 0], &data)).is_ok());
    assert!(register(&object("unheard-of", &[0xa0], &data)).is_ok());
    let good = object("none", &[0xa0], &data);
    for bad in [
        object("none", &[0xa1, 1, 2], &data),
        object("none", &[0x80], &data),
        object("none", &[0xa2, 1, 1, 1, 1], &data),
        object("packed", &[0xa1, 1], &data),
        [&good[..], &[0]].concat(),
        good[..good.len() - 1].to_vec(),
        [&[0xa4, 0x61, b'x', 0], &good[1..]].concat(),
        [&[0xa2], &good[1..]].concat(),
        // Each of the three twice: one reader would take the first, another the last.
        [&[0xa4, 0x63][..], b"fmt", &[0x64], b"none", &good[1..]].concat(),
        [&[0xa4, 0x67][..], b"attStmt", &[0xa0], &good[1..]].concat(),
        [&[0xa4, 0x68][..], b"authData", &[0x40], &good[1..]].concat(),
        Vec::new(),
        vec![0xa0],
    ] {
        rejects(register(&bad), MALFORMED, "");
    }
    for data in [
        liar.authenticator_data(&[]),
        [&data[..], &[0]].concat(),
        data[..data.len() - 1].to_vec(),
        data[..60].to_vec(),
        data[..37].to_vec(),
        data[..36].to_vec(),
        Vec::new(),
    ] {
        rejects(register(&object("none", &[0xa0], &data)), MALFORMED, "");
    }
    // A name of no bytes, and one of more than 1023.
    for id in [vec![], vec![b'x'; 1024]] {
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let attested = [&[0; 16][..], &length, &id, &liar.cose()].concat();
        let data = liar.authenticator_data(&attested);
        rejects(register(&object("none", &[0xa0], &data)), MALFORMED, "empty or too long");
    }
    // Without the credential, or with another than the browser says.
    let without = Liar::new();
    rejects(
        register(&object("none", &[0xa0], &without.authenticator_data(&[]))),
        MALFORMED,
        "no attested",
    );
    let mut other = data;
    other[37 + 18] ^= 1;
    rejects(register(&object("none", &[0xa0], &other)), MALFORMED, "another credential");
}

#[test]
fn extensions_are_read_over() {
    let extended =
        |extra: &[u8]| Liar { flags: UP | UV | ED, extra: extra.to_vec(), ..Liar::new() };
    let good = [0xa1, 0x69, b'c', b'r', b'e', b'd', b'P', b'r', b'o', b't', b'x', 2];
    assert!(extended(&good).authenticate(|_| {}).is_ok());
    assert!(extended(&good).register().is_ok());
    for bad in [&[][..], &[0x80], &[0xa1], &[0xa0, 0], &[0xa2, 1, 1, 1, 1], &[0xf6]] {
        rejects(extended(bad).authenticate(|_| {}), MALFORMED, "");
    }
    // Not said, and there.
    let silent = Liar { extra: vec![0xa0], ..Liar::new() };
    rejects(silent.authenticate(|_| {}), MALFORMED, "goes on");
}

#[test]
fn a_key_has_its_members_and_no_others() {
    let cose = Liar::new().cose();
    let fault = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut cose = cose.clone();
        edit(&mut cose);
        CredentialKey::from_cose(&cose).map(drop)
    };
    assert_eq!(fault(&|_| {}), Ok(()));
    assert_eq!(fault(&|cose| cose[4] = 0x28), Ok(()), "ESP256");
    assert_eq!(fault(&|cose| cose[4] = 0x27), Err(KeyFault::Invalid), "EdDSA");
    assert_eq!(fault(&|cose| cose[4] = 0x25), Err(KeyFault::Algorithm), "HMAC");
    assert_eq!(fault(&|cose| cose[2] = 1), Err(KeyFault::Invalid));
    assert_eq!(fault(&|cose| cose[6] = 2), Err(KeyFault::Invalid));
    assert_eq!(fault(&|cose| *cose.last_mut().unwrap() ^= 1), Err(KeyFault::Invalid));
    assert_eq!(fault(&|cose| cose[0] = 0xa4), Err(KeyFault::Invalid), "no y");
    assert_eq!(fault(&|cose| cose.push(0)), Err(KeyFault::Malformed));
    assert_eq!(fault(&|cose| cose[3] = 1), Err(KeyFault::Malformed), "a label twice");
    assert_eq!(fault(&|cose| cose[3] = 2), Err(KeyFault::Malformed), "an optional member");
    assert_eq!(
        fault(&|cose| {
            cose.truncate(45 - 2);
            cose.push(0xf5);
        }),
        Err(KeyFault::Malformed)
    );
    assert_eq!(CredentialKey::from_cose(&[0xa0]).map(drop), Err(KeyFault::Malformed));
    assert_eq!(CredentialKey::from_cose(&[]).map(drop), Err(KeyFault::Malformed));
}

#[test]
fn a_response_has_one_reading() {
    let good = Liar::new().assertion();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut response = good.clone();
        edit(&mut response);
        Assertion::parse(response.to_string().as_bytes()).map(drop)
    };
    assert!(with(&|response| response["authenticatorAttachment"] = "platform".into()).is_ok());
    assert!(with(&|response| response["response"]["userHandle"] = Value::Null).is_ok());
    rejects(with(&|response| response["type"] = "password".into()), MALFORMED, "type");
    rejects(with(&|response| response["rawId"] = "AAAA".into()), MALFORMED, "rawId");
    rejects(with(&|response| response["id"] = "".into()), MALFORMED, "empty");
    rejects(
        with(&|response| response["id"] = to_base64url(&[0; 1024]).into()),
        MALFORMED,
        "too long",
    );
    rejects(with(&|response| response["response"] = json!([])), MALFORMED, "no response");
    rejects(
        with(&|response| response["response"]["userHandle"] = 1.into()),
        MALFORMED,
        "userHandle",
    );
    for name in ["clientDataJSON", "authenticatorData", "signature"] {
        for value in [Value::Null, json!("A"), json!("AAAA="), json!(1)] {
            rejects(with(&|response| response["response"][name] = value.clone()), MALFORMED, name);
        }
    }
    rejects(Assertion::parse(&vec![b' '; 20_000]), MALFORMED, "too long");
    rejects(Registration::parse(good.to_string().as_bytes()), MALFORMED, "attestationObject");
}

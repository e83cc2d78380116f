//! What an upstream answers: nothing panics, the bytes may come in any pieces, and what goes to the
//! client is one head, of which the next reader finds the end where the gateway does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_core::{
    limits,
    wire::{
        answer::Answer,
        body::Body,
        head::ResponseHead,
        upgrade::{accept, switching_with},
    },
};

const KEY: [u8; 16] = *b"vestibule-fuzzer";

fuzz_target!(|input: &[u8]| {
    let Some((&step, text)) = input.split_first() else { return };
    // A fuzzer finds no hash by itself.
    let bytes = String::from_utf8_lossy(text).replace("ACCEPT", &accept(&KEY)).into_bytes();
    let Ok(Some((head, used))) = ResponseHead::read(&bytes) else { return };
    let offered = ["chat".into()];
    match Answer::of(&head, &KEY, &offered, Some(b"permessage-deflate")) {
        Err(_) => {}
        Ok(Answer::Switching { subprotocol, extensions, fields }) => {
            assert_eq!(head.status(), 101);
            let out = switching_with(&KEY, subprotocol.as_deref(), extensions.as_deref(), &fields);
            let Some(sent) = whole(&out) else { return };
            let again = Answer::of(&sent, &KEY, &offered, Some(b"permessage-deflate"));
            assert_eq!(again, Ok(Answer::Switching { subprotocol, extensions, fields }));
        }
        Ok(Answer::Other { head: out, body }) => {
            let Some(sent) = whole(&out) else { return };
            let Ok(Answer::Other { body: same, .. }) = Answer::of(&sent, &KEY, &[], None) else {
                panic!("{}", String::from_utf8_lossy(&out));
            };
            assert_eq!(same, body);
            follow(body, &bytes[used..], usize::from(step) + 1);
        }
    }
});

fn whole(bytes: &[u8]) -> Option<ResponseHead> {
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
    // With what was added it may be more than is read.
    if bytes.len() > limits::HEAD_BYTES || lines > limits::HEAD_FIELDS + 2 {
        return None;
    }
    let (head, used) = ResponseHead::read(bytes).expect("an answer").expect("all of it");
    assert_eq!(used, bytes.len());
    Some(head)
}

fn follow(body: Body, bytes: &[u8], step: usize) {
    let mut at_once = body.reader();
    let expected = at_once.take(bytes);
    let mut reader = body.reader();
    let mut used = 0;
    for piece in bytes.chunks(step) {
        match reader.take(piece) {
            Err(rejection) => {
                assert_eq!(expected, Err(rejection));
                return;
            }
            Ok(count) => used += count,
        }
        if reader.is_over() {
            break;
        }
    }
    assert_eq!((expected, at_once.is_over()), (Ok(used), reader.is_over()));
}

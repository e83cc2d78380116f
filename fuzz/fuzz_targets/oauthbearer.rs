//! Messages of OAUTHBEARER: no panic, and what was read is read again from what we write of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_verify::oauthbearer::{Initial, initial};

fuzz_target!(|data: &[u8]| {
    let Ok(read) = Initial::parse(data) else { return };
    let token = core::str::from_utf8(read.token().expose()).expect("ASCII");
    assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    let server = read.host().zip(read.port());
    let written = initial(token, None, server).expect("what was read can be written");
    let again = Initial::parse(written.as_bytes()).expect("what was written can be read");
    assert_eq!(again.token().expose(), read.token().expose());
    assert_eq!(again.host().zip(again.port()), server);
});

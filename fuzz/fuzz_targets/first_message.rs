//! What a stranger may say: the pieces do not matter, and everything heard is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule_core::{
    limits,
    rejection::Rejection,
    wire::first::{Event, FirstMessage},
};

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else { return };
    let at_once = hear(bytes, bytes.len().max(1));
    let in_pieces = hear(bytes, usize::from(step) + 1);
    assert_eq!(at_once, in_pieces);
});

fn hear(bytes: &[u8], step: usize) -> (Vec<Event>, Option<Rejection>) {
    let mut assembler = FirstMessage::new();
    let mut events = Vec::new();
    for mut rest in bytes.chunks(step) {
        while !rest.is_empty() {
            let (used, event) = match assembler.push(rest) {
                Ok(pushed) => pushed,
                Err(rejection) => return (events, Some(rejection)),
            };
            assert!(used > 0 && used <= rest.len());
            match &event {
                Some(Event::Message(text)) => assert!(text.len() <= limits::MESSAGE_BYTES),
                Some(Event::Ping(payload)) => assert!(payload.len() <= 125),
                Some(Event::Close(_)) | None => {}
            }
            events.extend(event);
            rest = &rest[used..];
        }
    }
    (events, None)
}

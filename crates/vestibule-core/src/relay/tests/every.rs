//! Where each message carries its own credential, none goes on as it came.

use super::*;

const MOST: usize = 300;
const EVERY: Mode = (Reserved::Every { most: MOST }, Extensions::None);

fn check(bytes: &[u8], forwarded: &[u8], ours: &[&[u8]], end: Result<Option<u16>, Rejection>) {
    for step in 1..=bytes.len() {
        let scanned = scan(EVERY, bytes, step);
        assert_eq!(scanned.ours, ours, "{step}");
        assert_eq!(scanned.forwarded, forwarded, "{step}");
        assert_eq!(scanned.end, end, "{step}");
    }
}

#[test]
fn a_message_is_put_together_and_what_stands_between_its_fragments_goes_on() {
    let (ping, pong) = (text(0x89, b"?"), text(0x8a, b""));
    let close = text(0x88, &[3, 232]);
    let bytes = [
        text(0x01, b"He"),
        ping.clone(),
        text(0x00, b""),
        text(0x80, b"llo"),
        pong.clone(),
        text(0x81, b""),
        text(0x81, b"again"),
        close.clone(),
        text(0x81, b"too late"),
    ]
    .concat();
    let forwarded = [ping, pong, close].concat();
    check(&bytes, &forwarded, &[b"Hello", b"", b"again"], Ok(Some(1000)));
    check(&text(0x88, b""), &text(0x88, b""), &[], Ok(None));
}

#[test]
fn what_is_no_text_of_a_bounded_length_ends_the_connection() {
    let long = vec![b'x'; MOST];
    check(&text(0x81, &long), &[], &[&long], Ok(None));
    let longer = vec![b'x'; MOST + 1];
    check(&text(0x81, &longer), &[], &[], Err(Rejection::MessageTooLarge));
    let in_two = [text(0x01, &long), text(0x80, b"x")].concat();
    check(&in_two, &[], &[], Err(Rejection::MessageTooLarge));
    // Known by the header: nothing of it is kept.
    let huge = [0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    check(&huge, &[], &[], Err(Rejection::MessageTooLarge));
    check(&text(0x82, b"x"), &[], &[], Err(Rejection::MessageNotText));
    for first in [0xc1, 0xa1, 0x91, 0x80, 0x00, 0x83] {
        check(&text(first, b"x"), &[], &[], Err(Rejection::FrameMalformed));
    }
    let inside = [text(0x01, b"x"), text(0x81, b"x")].concat();
    check(&inside, &[], &[], Err(Rejection::FrameMalformed));
    let inside = [text(0x01, b"x"), text(0x82, b"x")].concat();
    check(&inside, &[], &[], Err(Rejection::FrameMalformed));
    check(&[0x81, 0x01, 0x41], &[], &[], Err(Rejection::FrameMalformed));
}

proptest! {
    #[test]
    fn every_text_is_read_and_none_goes_on(
        messages in prop::collection::vec(message(), 0..6), step in 1_usize..200
    ) {
        let is_text = |message: &&Vec<Frame>| message[0].first & 0x0f == 1;
        let texts: Vec<_> = messages.iter().filter(is_text).cloned().collect();
        let bytes: Vec<u8> = texts.iter().flatten().flat_map(Frame::client).collect();
        let control = texts.iter().flatten().filter(|frame| frame.first & 0x08 != 0);
        let control: Vec<u8> = control.flat_map(Frame::client).collect();
        let whole = texts.iter().map(|frames| {
            let data = frames.iter().filter(|frame| frame.first & 0x08 == 0);
            data.flat_map(|frame| frame.payload.clone()).collect::<Vec<u8>>()
        });
        let scanned = scan(EVERY, &bytes, step);
        prop_assert_eq!(scanned.end, Ok(None));
        prop_assert_eq!(scanned.ours, whole.collect::<Vec<_>>());
        prop_assert_eq!(scanned.forwarded, control);
    }

    #[test]
    fn cuts_do_not_change_what_is_read_of_noise(
        bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1_usize..50
    ) {
        let (one, many) = (scan(EVERY, &bytes, 300), scan(EVERY, &bytes, step));
        prop_assert_eq!(one.ours, many.ours);
        prop_assert_eq!(one.end.is_err(), many.end.is_err());
        prop_assert!(is_control_alone(&many.forwarded), "a data frame went on");
    }
}

/// Whether there are control frames only, the last of which may be torn.
fn is_control_alone(mut bytes: &[u8]) -> bool {
    while let Ok(Some(header)) = Header::parse(bytes, Sender::Client) {
        if !header.opcode.is_control() {
            return false;
        }
        let end = header.size + usize::try_from(header.length).unwrap();
        bytes = bytes.get(end..).unwrap_or_default();
    }
    bytes.first().is_none_or(|first| first & 0x08 != 0)
}

//! What the gateway puts into the stream to the client.

use std::rc::Rc;

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
};
use vestibule_core::{
    relay::{Extensions, ServerScanner},
    wire::frame::{Fin, Opcode, Sender},
};

use super::{
    super::{Order, wire::BUFFER_BYTES},
    rig::{bare, code, expect, fill, frames, masked, rest, run},
};

#[test]
fn a_message_is_told_at_once_where_nothing_is_under_way() {
    run(async |rig| {
        let mut both = rig.open().await;
        rig.relay.signal(both.key, Order::Tell("hello".into()));
        expect(&mut both.client, &bare(0x81, b"hello")).await;
    });
}

#[test]
fn a_message_waits_for_the_end_of_the_one_that_is_under_way() {
    run(async |rig| {
        let mut both = rig.open().await;
        let whole =
            [bare(0x01, b"one"), bare(0x89, b"?"), bare(0x00, b"two"), bare(0x80, b"three")];
        let (whole, next) = (whole.concat(), bare(0x81, b"four"));
        // Between fragments as well as inside of them.
        for cut in 1..whole.len() {
            let (start, end) = whole.split_at(cut);
            both.upstream.write_all(start).await.unwrap();
            expect(&mut both.client, start).await;
            for number in 0..3 {
                rig.relay.signal(both.key, Order::Tell(format!("tell {number}")));
            }
            // The control is asked once the relay has heard all of that.
            both.client.write_all(&masked(0x81, b"{\"auth\":1}")).await.unwrap();
            both.notes.heard(cut).await;
            both.upstream.write_all(&[end, next.as_slice()].concat()).await.unwrap();
            expect(&mut both.client, end).await;
            for number in 0..3 {
                expect(&mut both.client, &bare(0x81, format!("tell {number}").as_bytes())).await;
            }
            expect(&mut both.client, &next).await;
        }
    });
}

#[test]
fn the_answer_to_a_message_of_the_in_band_protocol_comes_from_here() {
    run(async |rig| {
        let mut both = rig.open().await;
        both.notes.orders.borrow_mut().push(Order::Tell("answer".into()));
        both.client.write_all(&masked(0x81, b"{\"auth\":1}")).await.unwrap();
        expect(&mut both.client, &bare(0x81, b"answer")).await;
        assert_eq!(both.notes.heard(1).await, ["{\"auth\":1}"]);
    });
}

#[test]
fn a_control_may_signal_others_and_itself_while_it_is_asked() {
    run(async |rig| {
        let (mut one, mut other) = (rig.open().await, rig.open().await);
        for (key, text) in [(one.key, "to myself"), (other.key, "to the other")] {
            let order = Order::Tell(text.into());
            one.notes.pass_on.borrow_mut().push((Rc::clone(&rig.relay), key, order));
        }
        one.client.write_all(&masked(0x81, b"{\"auth\":1}")).await.unwrap();
        expect(&mut one.client, &bare(0x81, b"to myself")).await;
        expect(&mut other.client, &bare(0x81, b"to the other")).await;
    });
}

#[test]
fn a_client_that_does_not_read_cannot_make_us_keep_what_it_is_told() {
    run(async |rig| {
        let mut both = rig.open().await;
        let down = bare(0x82, &vec![7; 50_000]);
        let key = both.key;
        let written = fill(&mut both.upstream, &down, || rig.waiting(key).0 > 0).await;
        for _ in 0..100 {
            rig.relay.signal(key, Order::Tell("x".repeat(5000)));
        }
        while rig.relay.has_signals() {
            yield_now().await;
        }
        rig.close(key, 4000);
        let rest = rest(&mut both.client).await;
        assert!(rest.len() <= written + BUFFER_BYTES + 20_000);
        // Whether the cut came in time or not, what is there is well-formed.
        let mut scanner = ServerScanner::new(Extensions::None);
        scanner.advance(&rest).unwrap();
    });
}

#[test]
fn before_a_close_the_client_is_told_the_rest() {
    run(async |rig| {
        let mut both = rig.open().await;
        rig.relay.signal(both.key, Order::Tell("why".into()));
        rig.close(both.key, 4001);
        let mut bytes = vec![0; 9];
        both.client.read_exact(&mut bytes).await.unwrap();
        let seen = frames(&bytes, Sender::Server);
        assert_eq!((seen[0].payload.as_slice(), code(&seen[1])), (b"why".as_slice(), 4001));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn in_a_flood_every_message_stays_whole(
        messages in prop::collection::vec(
            (prop::collection::vec(prop_oneof![0_usize..300, 0_usize..70_000], 1..5), any::<bool>()),
            1..40
        ),
        cut in 1_usize..100_000,
        tells in 1_usize..30,
    ) {
        let mut flood = Vec::new();
        let mut sent = Vec::new();
        for (number, (pieces, ping)) in (0_u8..).zip(&messages) {
            for (place, length) in pieces.iter().enumerate() {
                let fin = if place + 1 == pieces.len() { 0x80 } else { 0 };
                let kind = if place == 0 { 2 } else { 0 };
                flood.extend(bare(fin | kind, &vec![number; *length]));
                if *ping {
                    flood.extend(bare(0x89, b"ping"));
                }
            }
            sent.push(vec![number; pieces.iter().sum()]);
        }
        let cut = cut.max(flood.len() / 300);
        run(async |rig| {
            let both = rig.open().await;
            let (key, mut upstream, mut client) = (both.key, both.upstream, both.client);
            let sending = async {
                let every = flood.len().div_ceil(cut).div_ceil(tells).max(1);
                for (number, piece) in flood.chunks(cut).enumerate() {
                    if number % every == 0 {
                        rig.relay.signal(key, Order::Tell(format!("tell {}", number / every)));
                    }
                    upstream.write_all(piece).await.unwrap();
                    yield_now().await;
                }
                upstream.shutdown().await.unwrap();
            };
            let mut bytes = Vec::new();
            let reading = async {
                while !bytes.ends_with(b"upstream_unavailable") {
                    assert!(client.read_buf(&mut bytes).await.unwrap() > 0);
                }
            };
            tokio::join!(sending, reading);
            let (mut open, mut received, mut told) = (None, Vec::new(), 0);
            for seen in frames(&bytes, Sender::Server) {
                match (seen.opcode, &mut open) {
                    (Opcode::Ping, _) => assert_eq!(seen.payload, b"ping"),
                    (Opcode::Close, _) => assert_eq!(code(&seen), 1014),
                    (Opcode::Text, None) => {
                        assert_eq!(seen.payload, format!("tell {told}").as_bytes());
                        told += 1;
                    }
                    (Opcode::Binary, None) => open = Some(seen.payload),
                    (Opcode::Continuation, Some(message)) => message.extend(seen.payload),
                    (opcode, _) => panic!("{opcode:?} out of place"),
                }
                if matches!(seen.opcode, Opcode::Binary | Opcode::Continuation) && seen.fin == Fin::Last {
                    received.extend(open.take());
                }
            }
            assert!(received == sent);
            assert!(told > 0);
        });
    }
}

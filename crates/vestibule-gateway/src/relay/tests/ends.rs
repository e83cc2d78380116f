//! How connections end: in words where there are any, in bounded time always.

use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule_core::{limits, wire::frame::Sender};

use super::{
    super::{Ended, EndedBy, Order, Wire},
    rig::{Notes, bare, code, expect, expect_close, fill, frames, masked, rest, run},
};

fn closing(code: u16) -> Vec<u8> {
    code.to_be_bytes().to_vec()
}

async fn ended_of(notes: &Notes) -> (u16, EndedBy) {
    let Ended { code, by, .. } = notes.over().await;
    (code, by)
}

#[test]
fn a_close_of_the_client_passes_and_so_does_its_answer() {
    run(async |rig| {
        let mut both = rig.open().await;
        let (ask, answer) = (masked(0x88, &closing(4000)), bare(0x88, &closing(4000)));
        both.client.write_all(&ask).await.unwrap();
        expect(&mut both.upstream, &ask).await;
        both.upstream.write_all(&[answer.clone(), bare(0x81, b"late")].concat()).await.unwrap();
        // The server ends TCP first; what came behind the close frame is not passed on.
        assert_eq!(rest(&mut both.client).await, answer);
        drop((both.client, both.upstream));
        assert_eq!(ended_of(&both.notes).await, (4000, EndedBy::Client));
        assert_eq!(both.notes.heard(1).await, ["gone"]);
        assert_eq!(rig.relay.len(), 0);
    });
}

#[test]
fn a_close_of_the_upstream_passes_and_so_does_its_answer() {
    run(async |rig| {
        let mut both = rig.open().await;
        let (ask, answer) = (bare(0x88, &[]), masked(0x88, &[]));
        both.upstream.write_all(&ask).await.unwrap();
        expect(&mut both.client, &ask).await;
        both.client.write_all(&[masked(0x81, b"before"), answer.clone()].concat()).await.unwrap();
        expect(&mut both.upstream, &[masked(0x81, b"before"), answer].concat()).await;
        assert_eq!(rest(&mut both.client).await, b"");
        drop((both.client, both.upstream));
        assert_eq!(ended_of(&both.notes).await, (1005, EndedBy::Upstream));
    });
}

#[test]
fn an_upstream_that_says_close_and_hangs_up_is_heard() {
    run(async |rig| {
        let mut both = rig.open().await;
        let bytes = [bare(0x81, b"kicked"), bare(0x88, &closing(4321))].concat();
        both.upstream.write_all(&bytes).await.unwrap();
        drop(both.upstream);
        expect(&mut both.client, &bytes).await;
        both.client.write_all(&masked(0x88, &closing(4321))).await.unwrap();
        assert_eq!(rest(&mut both.client).await, b"");
        drop(both.client);
        assert_eq!(ended_of(&both.notes).await, (4321, EndedBy::Upstream));
    });
}

#[test]
fn an_upstream_that_resets_while_the_client_talks_has_its_last_words_heard() {
    run(async |rig| {
        let mut both = rig.open().await;
        let last = [bare(0x81, b"last"), bare(0x88, &closing(4321))].concat();
        // Unread bytes make the end a reset.
        both.client.write_all(&masked(0x81, b"unread")).await.unwrap();
        both.upstream.readable().await.unwrap();
        both.upstream.write_all(&last).await.unwrap();
        expect(&mut both.client, &last).await;
        drop(both.upstream);
        both.client.write_all(&masked(0x88, &closing(4321))).await.unwrap();
        assert_eq!(rest(&mut both.client).await, b"");
        drop(both.client);
        assert_eq!(ended_of(&both.notes).await, (4321, EndedBy::Upstream));
    });
}

#[test]
fn an_upstream_that_vanishes_is_reported_to_the_client() {
    run(async |rig| {
        for (sent, closes) in [
            (bare(0x81, b"whole"), true),
            (bare(0x01, b"a fragment"), true),
            (Vec::new(), true),
            (bare(0x81, b"half")[..3].to_vec(), false),
            (vec![0x81], false),
        ] {
            let mut both = rig.open().await;
            both.upstream.write_all(&sent).await.unwrap();
            drop(both.upstream);
            expect(&mut both.client, &sent).await;
            if closes {
                assert_eq!(expect_close(&mut both.client).await, 1014);
                both.client.write_all(&masked(0x88, &closing(1014))).await.unwrap();
            }
            assert_eq!(rest(&mut both.client).await, b"");
            drop(both.client);
            let code = if closes { 1014 } else { 1006 };
            assert_eq!(ended_of(&both.notes).await, (code, EndedBy::Upstream));
            let heard = if closes { "upstream_lost" } else { "gone" };
            assert_eq!(both.notes.heard(1).await, [heard]);
        }
    });
}

#[test]
fn a_client_that_vanishes_takes_its_upstream_connection_with_it() {
    run(async |rig| {
        for sent in [masked(0x81, b"whole"), masked(0x81, b"half")[..3].to_vec(), Vec::new()] {
            let mut both = rig.open().await;
            both.client.write_all(&sent).await.unwrap();
            drop(both.client);
            let expected = if sent.len() == 3 { Vec::new() } else { sent };
            assert_eq!(rest(&mut both.upstream).await, expected);
            assert_eq!(ended_of(&both.notes).await, (1006, EndedBy::Client));
        }
    });
}

#[test]
fn an_ordered_close_stops_both_directions_at_once() {
    run(async |rig| {
        let mut both = rig.open().await;
        rig.close(both.key, 4401);
        assert_eq!(expect_close(&mut both.client).await, 4401);
        // Nothing that is sent now passes.
        both.client.write_all(&masked(0x81, b"too late")).await.unwrap();
        both.upstream.write_all(&bare(0x81, b"too late")).await.unwrap();
        let mut away = vec![0; 8];
        both.upstream.read_exact(&mut away).await.unwrap();
        assert_eq!(code(&frames(&away, Sender::Client)[0]), 1001);
        both.client.write_all(&masked(0x88, &closing(4401))).await.unwrap();
        assert_eq!(rest(&mut both.client).await, b"");
        drop((both.client, both.upstream));
        assert_eq!(ended_of(&both.notes).await, (4401, EndedBy::Gateway));
        assert!(both.notes.reports.borrow().is_empty());
    });
}

/// A header is not kept back until it is whole: what its first bytes do not show to be wrong goes on.
/// No frame comes of that, because the upstream's stream ends there.
#[test]
fn a_header_that_comes_in_pieces_and_breaks_the_protocol_is_never_completed() {
    run(async |rig| {
        let mut both = rig.open().await;
        both.client.write_all(&[0x82]).await.unwrap();
        expect(&mut both.upstream, &[0x82]).await;
        // It is not masked.
        both.client.write_all(&[0x02, b'h', b'i']).await.unwrap();
        assert_eq!(rest(&mut both.upstream).await, b"");
        assert_eq!(expect_close(&mut both.client).await, 1002);
    });
}

#[test]
fn what_the_client_sends_behind_a_message_that_ends_it_does_not_pass() {
    run(async |rig| {
        let mut both = rig.open().await;
        both.notes.close_on_report(4410);
        let bytes = [
            masked(0x81, b"before"),
            masked(0x81, b"{\"auth\":1}"),
            masked(0x81, b"behind"),
            masked(0x88, &closing(1000)),
        ];
        both.client.write_all(&bytes.concat()).await.unwrap();
        assert_eq!(expect_close(&mut both.client).await, 4410);
        // The client's close frame, in the same bytes, was heard.
        assert_eq!(rest(&mut both.client).await, b"");
        let mut seen = vec![0; bytes[0].len() + 8];
        both.upstream.read_exact(&mut seen).await.unwrap();
        let seen = frames(&seen, Sender::Client);
        assert_eq!((seen[0].payload.as_slice(), code(&seen[1])), (b"before".as_slice(), 1001));
    });
}

#[test]
fn a_frame_under_way_is_completed_before_a_close_and_nothing_follows_it() {
    run(async |rig| {
        let mut both = rig.open().await;
        let large = bare(0x02, &vec![9; 1_000_000]);
        let (head, tail) = large.split_at(400_000);
        both.upstream.write_all(head).await.unwrap();
        expect(&mut both.client, head).await;
        rig.close(both.key, 4401);
        let (mut client, mut upstream) = (both.client, both.upstream);
        let sending = async {
            upstream.write_all(tail).await.unwrap();
            upstream.write_all(&bare(0x80, b"not any more")).await.unwrap();
        };
        let reading = async {
            expect(&mut client, tail).await;
            assert_eq!(expect_close(&mut client).await, 4401);
            client.write_all(&masked(0x88, &closing(4401))).await.unwrap();
            assert_eq!(rest(&mut client).await, b"");
        };
        tokio::join!(sending, reading);
        drop((client, upstream));
        assert_eq!(ended_of(&both.notes).await.0, 4401);
    });
}

#[test]
fn of_what_waits_for_the_client_a_close_lets_one_frame_pass() {
    run(async |rig| {
        for taken in [0, 70_001, 300_000, 1_000_001] {
            // A small buffer of the system takes what waits in pieces.
            let mut both = rig
                .open_with(|pair, _| {
                    let Wire::Plain(socket) = &pair.client else { return };
                    SockRef::from(socket).set_send_buffer_size(4096).unwrap();
                })
                .await;
            let (frame, key) = (bare(0x82, &[7; 999]), both.key);
            let piece = frame.repeat(200);
            let written = fill(&mut both.upstream, &piece, || rig.waiting(key).0 > 0).await;
            let mut seen = vec![0; taken.min(written)];
            both.client.read_exact(&mut seen).await.unwrap();
            let rotated =
                [&piece[written % piece.len()..], &piece[..written % piece.len()]].concat();
            fill(&mut both.upstream, &rotated, || rig.waiting(key).0 > 0).await;
            // The relay hears the signal before it looks at its sockets.
            let (sent, waiting) = (rig.sent(key), rig.waiting(key).0);
            rig.close(key, 4401);
            both.client.write_all(&masked(0x88, &closing(4401))).await.unwrap();
            seen.extend(rest(&mut both.client).await);
            let mut seen = frames(&seen, Sender::Server);
            assert_eq!(code(&seen.pop().unwrap()), 4401);
            let passed = u64::try_from(seen.len() * frame.len()).unwrap();
            assert!(passed >= sent && passed - sent < 1003, "{sent} + {waiting} - {passed}");
        }
    });
}

#[test]
fn an_upstream_is_sent_no_close_inside_of_a_frame() {
    run(async |rig| {
        let mut both = rig.open().await;
        let (piece, key) = (masked(0x82, &vec![7; 30_000]), both.key);
        // A frame at a time: what is stuck is the end of one that was read whole.
        while rig.waiting(key).1 == 0 {
            both.client.write_all(&piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        rig.close(key, 4401);
        assert_eq!(expect_close(&mut both.client).await, 4401);
        let seen = rest(&mut both.upstream).await;
        assert!(seen.chunks(piece.len()).all(|chunk| piece.starts_with(chunk)));
    });
}

#[test]
fn a_frame_that_is_not_completed_in_time_ends_without_a_close() {
    run(async |rig| {
        let mut both = rig.open().await;
        let half = &bare(0x82, &[1; 1000])[..500];
        both.upstream.write_all(half).await.unwrap();
        expect(&mut both.client, half).await;
        let began = Instant::now();
        rig.close(both.key, 4401);
        assert_eq!(rest(&mut both.client).await, b"");
        assert_eq!(ended_of(&both.notes).await, (1006, EndedBy::Gateway));
        let took = began.elapsed();
        assert!(took >= limits::CUT_WINDOW && took < limits::CUT_WINDOW * 2, "{took:?}");
    });
}

#[test]
fn peers_that_never_answer_are_left_in_time() {
    run(async |rig| {
        let mut ordered = rig.open().await;
        let mut by_client = rig.open().await;
        let mut by_upstream = rig.open().await;
        let mut stuck = rig.open().await;
        let key = stuck.key;
        fill(&mut stuck.upstream, &bare(0x82, &vec![7; 70_000]), || rig.waiting(key).0 > 0).await;
        let began = Instant::now();
        rig.close(ordered.key, 4401);
        rig.close(stuck.key, 4401);
        by_client.client.write_all(&masked(0x88, &closing(4000))).await.unwrap();
        by_upstream.upstream.write_all(&bare(0x88, &closing(4001))).await.unwrap();
        assert_eq!(expect_close(&mut ordered.client).await, 4401);
        assert_eq!(ended_of(&ordered.notes).await, (4401, EndedBy::Gateway));
        assert_eq!(ended_of(&by_client.notes).await, (4000, EndedBy::Client));
        assert_eq!(ended_of(&by_upstream.notes).await, (4001, EndedBy::Upstream));
        assert_eq!(ended_of(&stuck.notes).await.1, EndedBy::Gateway);
        let took = began.elapsed();
        let longest = limits::CUT_WINDOW + limits::CLOSE_TIMEOUT;
        assert!(
            took >= limits::CLOSE_TIMEOUT && took < longest + Duration::from_secs(2),
            "{took:?}"
        );
        assert_eq!(rest(&mut by_client.client).await, b"");
        assert_eq!(rest(&mut by_upstream.upstream).await, b"");
    });
}

#[test]
fn a_broken_client_is_told_so_and_its_upstream_hears_nothing_of_it() {
    run(async |rig| {
        let mut both = rig.open().await;
        both.client.write_all(&[0x83, 0x80]).await.unwrap();
        assert_eq!(expect_close(&mut both.client).await, 1002);
        assert_eq!(rest(&mut both.client).await, b"");
        assert_eq!(rest(&mut both.upstream).await, b"");
        assert_eq!(both.notes.heard(1).await, ["frame_malformed"]);
        drop(both.client);
        assert_eq!(ended_of(&both.notes).await, (1002, EndedBy::Client));
    });
}

#[test]
fn a_broken_upstream_is_cut_off_behind_its_last_whole_frame() {
    run(async |rig| {
        for (good, bad, closes) in [
            (bare(0x81, b"good"), vec![0x83, 0x00, 0x81, 0x00], true),
            ([bare(0x81, b"good"), bare(0x01, b"more")].concat(), bare(0x81, b"bad"), true),
            (Vec::new(), masked(0x81, b"masked"), true),
        ] {
            let mut both = rig.open().await;
            both.upstream.write_all(&[good.clone(), bad].concat()).await.unwrap();
            expect(&mut both.client, &good).await;
            if closes {
                assert_eq!(expect_close(&mut both.client).await, 1014);
            }
            assert_eq!(rest(&mut both.upstream).await, b"");
            both.client.write_all(&masked(0x88, &closing(1014))).await.unwrap();
            assert_eq!(rest(&mut both.client).await, b"");
            drop(both.client);
            assert_eq!(ended_of(&both.notes).await, (1014, EndedBy::Upstream));
            assert_eq!(both.notes.heard(1).await, ["upstream_invalid"]);
        }
    });
}

#[test]
fn a_close_cannot_be_cut_in_twice_nor_behind_another() {
    run(async |rig| {
        let mut both = rig.open().await;
        rig.close(both.key, 4401);
        rig.close(both.key, 4410);
        rig.relay.signal(both.key, Order::Tell("late".into()));
        assert_eq!(expect_close(&mut both.client).await, 4401);
        both.client.write_all(&masked(0x88, &closing(4401))).await.unwrap();
        assert_eq!(rest(&mut both.client).await, b"");
        assert_eq!(both.notes.signals.get(), 1);

        let mut both = rig.open().await;
        let close = bare(0x88, &closing(1000));
        both.upstream.write_all(&close).await.unwrap();
        expect(&mut both.client, &close).await;
        rig.close(both.key, 4401);
        both.client.write_all(&masked(0x88, &closing(1000))).await.unwrap();
        assert_eq!(rest(&mut both.client).await, b"");
        drop(both.client);
        assert_eq!(ended_of(&both.notes).await, (1000, EndedBy::Upstream));
    });
}

#[test]
fn what_waits_for_a_slow_client_arrives_though_the_upstream_has_gone() {
    run(async |rig| {
        let mut both = rig.open().await;
        let (piece, key) = (bare(0x82, &vec![7; 50_000]), both.key);
        let written = fill(&mut both.upstream, &piece, || rig.waiting(key).0 > 0).await;
        let mut upstream = both.upstream;
        let close = bare(0x88, &closing(4000));
        let sending = async {
            upstream.write_all(&piece[written % piece.len()..]).await.unwrap();
            upstream.write_all(&close).await.unwrap();
            drop(upstream);
        };
        let reading = async {
            for _ in 0..=written / piece.len() {
                expect(&mut both.client, &piece).await;
            }
            expect(&mut both.client, &close).await;
            both.client.write_all(&masked(0x88, &closing(4000))).await.unwrap();
            assert_eq!(rest(&mut both.client).await, b"");
        };
        tokio::join!(sending, reading);
        drop(both.client);
        assert_eq!(ended_of(&both.notes).await, (4000, EndedBy::Upstream));
    });
}

#[test]
fn a_client_that_vanishes_while_its_upstream_is_stuck_is_not_kept() {
    run(async |rig| {
        for resets in [false, true] {
            let mut both = rig.open().await;
            let key = both.key;
            if resets {
                // Unread bytes make the end a reset.
                both.upstream.write_all(&bare(0x81, b"unread")).await.unwrap();
                both.client.readable().await.unwrap();
            }
            // Not until the client's socket is full: its end would wait behind what it holds.
            while rig.waiting(key).1 == 0 {
                both.client.write_all(&masked(0x82, &vec![7; 50_000])).await.unwrap();
                tokio::task::yield_now().await;
            }
            let began = Instant::now();
            drop(both.client);
            assert_eq!(ended_of(&both.notes).await, (1006, EndedBy::Client));
            assert_eq!(began.elapsed() >= limits::CLOSE_TIMEOUT, !resets);
            drop(both.upstream);
        }
    });
}

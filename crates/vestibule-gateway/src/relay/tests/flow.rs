//! What passes, and what happens when it does not.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule_core::{relay::Reserved, wire::frame::Sender};

use super::{
    super::wire::BUFFER_BYTES,
    rig::{bare, expect, fill, frames, masked, rest, run},
};

#[test]
fn frames_pass_both_ways_as_they_are() {
    run(async |rig| {
        let mut both = rig.open().await;
        for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
            let payload = vec![b'x'; length];
            for (first, bytes) in [(0x82, &payload), (0x81, &payload)] {
                let (up, down) = (masked(first, bytes), bare(first, bytes));
                let (client, upstream) = (&mut both.client, &mut both.upstream);
                let (sent, ()) = tokio::join!(client.write_all(&up), expect(upstream, &up));
                sent.unwrap();
                let (sent, ()) = tokio::join!(upstream.write_all(&down), expect(client, &down));
                sent.unwrap();
            }
        }
        drop(both.client);
        assert_eq!(rest(&mut both.upstream).await, b"");
        let ended = both.notes.over().await;
        assert!(ended.to_upstream > 2_000_000 && ended.to_upstream > ended.to_client);
    });
}

#[test]
fn what_was_read_before_goes_first() {
    run(async |rig| {
        let (up, down) = (masked(0x81, b"early"), bare(0x81, b"early too"));
        let mut both = rig
            .open_with(|pair, _| {
                pair.client_read = up[..3].to_vec();
                pair.upstream_read = down[..4].to_vec();
            })
            .await;
        expect(&mut both.client, &down[..4]).await;
        both.client.write_all(&up[3..]).await.unwrap();
        both.upstream.write_all(&down[4..]).await.unwrap();
        expect(&mut both.upstream, &up).await;
        expect(&mut both.client, &down[4..]).await;
    });
}

#[test]
fn one_byte_at_a_time_is_enough() {
    run(async |rig| {
        let mut both = rig.open().await;
        let up = [
            masked(0x01, b"{\"auth"),
            masked(0x89, b"?"),
            masked(0x80, b"\" no"),
            masked(0x81, b"text"),
        ]
        .concat();
        let down = [bare(0x01, b"a"), bare(0x89, b"?"), bare(0x80, b"b")].concat();
        for byte in &up {
            both.client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        for byte in &down {
            both.upstream.write_all(&[*byte]).await.unwrap();
            expect(&mut both.client, &[*byte]).await;
        }
        let mut seen = vec![0; up.len()];
        both.upstream.read_exact(&mut seen).await.unwrap();
        // The ping was not held back with the text that might have been the gateway's.
        let payloads: Vec<_> =
            frames(&seen, Sender::Client).into_iter().map(|seen| seen.payload).collect();
        assert_eq!(
            payloads,
            [b"?".to_vec(), b"{\"auth".to_vec(), b"\" no".to_vec(), b"text".to_vec()]
        );
    });
}

#[test]
fn messages_of_the_in_band_protocol_stay_here() {
    run(async |rig| {
        let mut both = rig.open().await;
        let ours = br#"{"auth":{"type":"logout"}}"#;
        let bytes = [masked(0x81, b"a"), masked(0x81, ours), masked(0x81, b"b")].concat();
        both.client.write_all(&bytes).await.unwrap();
        expect(&mut both.upstream, &[masked(0x81, b"a"), masked(0x81, b"b")].concat()).await;
        assert_eq!(both.notes.heard(1).await, [String::from_utf8_lossy(ours)]);

        let mut both = rig.open_with(|pair, _| pair.reserved = Reserved::No).await;
        both.client.write_all(&bytes).await.unwrap();
        expect(&mut both.upstream, &bytes).await;
    });
}

#[test]
fn a_reader_that_never_reads_stops_its_sender_and_costs_one_buffer() {
    run(async |rig| {
        let (mut both, mut stuck) = (rig.open().await, rig.open().await);
        let (up, down) = (masked(0x82, &vec![7; 50_000]), bare(0x82, &vec![7; 50_000]));
        let mut most = 0;
        let written = fill(&mut stuck.upstream, &down, || {
            most = most.max(rig.waiting(stuck.key).0);
            rig.waiting(stuck.key).0 > 0
        })
        .await;
        let client_written = fill(&mut stuck.client, &up, || {
            most = most.max(rig.waiting(stuck.key).1);
            rig.waiting(stuck.key).1 > 0
        })
        .await;
        assert!(most <= BUFFER_BYTES, "{most}");
        // Nobody else is held up.
        both.client.write_all(&up).await.unwrap();
        expect(&mut both.upstream, &up).await;
        // What was taken arrives, whole, when the readers read.
        let mut seen = vec![0; written];
        stuck.client.read_exact(&mut seen).await.unwrap();
        let whole = frames(&seen[..written - written % down.len()], Sender::Server);
        assert_eq!(whole.len(), written / down.len());
        let mut seen = vec![0; client_written];
        stuck.upstream.read_exact(&mut seen).await.unwrap();
        assert!(seen.starts_with(&up));
        assert_eq!(rig.waiting(stuck.key), (0, 0));
    });
}

#[test]
fn a_flood_leaves_the_others_their_turn() {
    run(async |rig| {
        let (mut flood, quiet) = (rig.open().await, rig.open().await);
        // In the relay's own thread, so that what passes is not what passes while another wakes up.
        let (mut client, mut upstream) = (rig.watched(quiet.client), rig.watched(quiet.upstream));
        let (flooded, mut meanwhile) = (flood.key, Vec::new());
        let piece = bare(0x82, &vec![1; 200_000]);
        let flooding = async {
            loop {
                flood.upstream.write_all(&piece).await.unwrap();
            }
        };
        let draining = async {
            let mut bytes = vec![0; 200_000];
            loop {
                flood.client.read_exact(&mut bytes).await.unwrap();
            }
        };
        let talking = async {
            for _ in 0..200 {
                let before = rig.sent(flooded);
                client.write_all(&masked(0x81, b"?")).await.unwrap();
                expect(&mut upstream, &masked(0x81, b"?")).await;
                meanwhile.push(rig.sent(flooded) - before);
            }
        };
        tokio::select! {
            () = flooding => {}
            () = draining => {}
            () = talking => {}
        }
        // However fast the machine: what passes of the flood while one small message does.
        let most = meanwhile.into_iter().max().unwrap();
        assert!(most <= 3 * TURN, "{most} bytes");
    });
}

/// What one connection may move before others have their turn.
const TURN: u64 = 256 * 1024;

/// A message in fragments with pings between them: first bytes and payloads.
fn message() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let piece = || {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..200),
            1 => (0_usize..90_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        ]
    };
    (prop::collection::vec((piece(), any::<bool>()), 0..4), piece(), 1_u8..3).prop_map(
        |(pieces, last, kind)| {
            let mut frames = Vec::new();
            let mut first = kind;
            for (piece, ping) in pieces {
                frames.push((first, piece));
                first = 0;
                if ping {
                    frames.push((0x89, b"ping".to_vec()));
                }
            }
            frames.push((0x80 | first, last));
            frames
        },
    )
}

async fn send_in_pieces(
    socket: &mut (impl AsyncWriteExt + Unpin),
    mut bytes: &[u8],
    cuts: &[usize],
) {
    for &cut in cuts.iter().cycle() {
        let (piece, left) = bytes.split_at(cut.min(bytes.len()));
        socket.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
        bytes = left;
        if bytes.is_empty() {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_script_arrives_as_it_was_sent(
        up in prop::collection::vec(message(), 0..6),
        down in prop::collection::vec(message(), 0..6),
        cuts in prop::collection::vec(prop_oneof![1_usize..20, 1_usize..100_000], 1..8),
        reserved in prop_oneof![Just(Reserved::Yes), Just(Reserved::No)],
    ) {
        let up: Vec<u8> = up.iter().flatten().flat_map(|(first, bytes)| masked(*first, bytes)).collect();
        let down: Vec<u8> = down.iter().flatten().flat_map(|(first, bytes)| bare(*first, bytes)).collect();
        let cuts: Vec<usize> = cuts.iter().map(|&cut| cut.max(up.len().max(down.len()) / 500)).collect();
        run(async |rig| {
            let both = rig.open_with(|pair, _| pair.reserved = reserved).await;
            let (mut client, mut client_out) = both.client.into_split();
            let (mut upstream, mut upstream_out) = both.upstream.into_split();
            let (mut seen_up, mut seen_down) = (vec![0; up.len()], vec![0; down.len()]);
            let ((), (), read_up, read_down) = tokio::join!(
                send_in_pieces(&mut client_out, &up, &cuts),
                send_in_pieces(&mut upstream_out, &down, &cuts),
                upstream.read_exact(&mut seen_up),
                client.read_exact(&mut seen_down),
            );
            read_up.unwrap();
            read_down.unwrap();
            assert!(seen_down == down);
            let held = reserved == Reserved::Yes && seen_up != up;
            if held {
                // A control frame may go ahead of fragments that were held back, nothing else moves.
                let sorted = |bytes: &[u8]| {
                    let (control, data): (Vec<_>, Vec<_>) = frames(bytes, Sender::Client)
                        .into_iter()
                        .partition(|seen| seen.opcode.is_control());
                    (control, data)
                };
                assert!(sorted(&seen_up) == sorted(&up));
            } else {
                assert!(seen_up == up);
            }
        });
    }
}

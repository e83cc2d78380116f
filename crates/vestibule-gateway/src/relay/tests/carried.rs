//! Where every message is reported: what goes on instead, and what waits meanwhile.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use vestibule_core::{relay::Reserved, wire::frame::Sender};

use super::{
    super::{Ended, EndedBy, Order, Pair},
    rig::{Notes, bare, expect, expect_close, fill, frames, masked, rest, run},
};

fn every(pair: &mut Pair, notes: &Notes) {
    pair.reserved = Reserved::Every { most: 100_000 };
    notes.holds.set(true);
}

fn forward(text: &str) -> Order {
    Order::Forward(text.as_bytes().into())
}

/// Reads a short text message of the gateway's.
async fn expect_text(upstream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; 6 + text.len()];
    upstream.read_exact(&mut bytes).await.unwrap();
    let seen = frames(&bytes, Sender::Client);
    assert_eq!((bytes[0], seen.len()), (0x81, 1));
    assert_eq!(seen[0].payload, text.as_bytes());
}

#[test]
fn what_comes_behind_a_message_waits_until_the_control_is_done_with_it() {
    run(async |rig| {
        let mut both = rig.open_with(every).await;
        let (ping, close) = (masked(0x89, b"?"), masked(0x88, &[3, 232]));
        let behind = [ping.clone(), masked(0x81, b"two")].concat();
        // In one read, and in another one that comes while the control is busy.
        both.client.write_all(&[masked(0x81, b"one"), behind].concat()).await.unwrap();
        assert_eq!(both.notes.heard(1).await, ["one"]);
        both.client.write_all(&close).await.unwrap();
        both.upstream.write_all(&bare(0x81, b"meanwhile")).await.unwrap();
        expect(&mut both.client, &bare(0x81, b"meanwhile")).await;
        rig.relay.signal(both.key, forward("1"));
        expect_text(&mut both.upstream, "1").await;
        expect(&mut both.upstream, &ping).await;
        assert_eq!(both.notes.heard(2).await, ["one", "two"]);
        rig.relay.signal(both.key, forward("2"));
        expect_text(&mut both.upstream, "2").await;
        expect(&mut both.upstream, &close).await;
        assert_eq!(rig.waiting(both.key), (0, 0));
    });
}

#[test]
fn a_message_that_is_not_forwarded_leaves_nothing_behind() {
    run(async |rig| {
        let mut both = rig.open_with(every).await;
        both.notes.holds.set(false);
        both.notes.orders.borrow_mut().push(Order::Tell("no".into()));
        both.client.write_all(&masked(0x81, b"one")).await.unwrap();
        expect(&mut both.client, &bare(0x81, b"no")).await;
        both.notes.orders.borrow_mut().push(forward("2"));
        both.client.write_all(&masked(0x81, b"two")).await.unwrap();
        expect_text(&mut both.upstream, "2").await;
    });
}

#[test]
fn a_close_that_is_ordered_meanwhile_does_not_wait_and_the_clients_own_is_heard() {
    run(async |rig| {
        let mut both = rig.open_with(every).await;
        let bytes = [masked(0x81, b"one"), masked(0x81, b"two"), masked(0x88, &[3, 232])];
        both.client.write_all(&bytes.concat()).await.unwrap();
        both.notes.heard(1).await;
        rig.close(both.key, 4000);
        assert_eq!(expect_close(&mut both.client).await, 4000);
        // Its Close was there already: nothing more is waited for.
        assert_eq!(rest(&mut both.client).await, b"");
        let last = frames(&rest(&mut both.upstream).await, Sender::Client);
        assert_eq!(last.len(), 1, "nothing but a close: {last:?}");
        drop(both.upstream);
        let Ended { code, by, .. } = both.notes.over().await;
        assert_eq!((code, by), (4000, EndedBy::Gateway));
        assert_eq!(both.notes.heard(1).await, ["one"]);
    });
}

#[test]
fn what_was_there_first_goes_first() {
    run(async |rig| {
        let first = masked(0x81, b"first");
        let mut both = rig
            .open_with(|pair, notes| {
                every(pair, notes);
                pair.upstream_first.clone_from(&first);
                pair.client_read = [masked(0x89, b"?"), masked(0x81, b"one")].concat();
            })
            .await;
        expect(&mut both.upstream, &first).await;
        expect(&mut both.upstream, &masked(0x89, b"?")).await;
        assert_eq!(both.notes.heard(1).await, ["one"]);
    });
}

#[test]
fn an_upstream_that_does_not_read_stops_the_client() {
    run(async |rig| {
        let mut both = rig.open_with(every).await;
        both.notes.holds.set(false);
        let data = "x".repeat(50_000);
        let message = masked(0x81, data.as_bytes());
        let (key, notes) = (both.key, std::rc::Rc::clone(&both.notes));
        let written = fill(&mut both.client, &message, || {
            let heard = notes.reports.borrow().len();
            notes.reports.borrow_mut().clear();
            (0..heard).for_each(|_| rig.relay.signal(key, forward(&data)));
            rig.waiting(key).1 > 0
        })
        .await;
        assert!(written > 0);
        let (_, waiting) = rig.waiting(key);
        assert!(waiting > 0 && waiting < 4 << 20, "{waiting}");
    });
}

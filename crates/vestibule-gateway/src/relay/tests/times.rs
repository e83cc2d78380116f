//! Deadlines, silence, and who is open.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule_core::{
    time::Mono,
    wire::frame::{Opcode, Sender},
};

use super::{
    super::{EndedBy, Key, Wire},
    rig::{Probe, Rig, bare, expect, expect_close, frames, masked, run},
};

#[test]
fn a_key_hits_nobody_when_its_connection_is_over() {
    run(async |rig| {
        let first = rig.open().await;
        drop(first.client);
        first.notes.over().await;
        // The place is used again, and the old key does not hit its new owner.
        for _ in 0..3 {
            let mut next = rig.open().await;
            rig.close(first.key, 4401);
            next.client.write_all(&masked(0x81, b"still here")).await.unwrap();
            expect(&mut next.upstream, &masked(0x81, b"still here")).await;
            next.upstream.write_all(&bare(0x81, b"here")).await.unwrap();
            expect(&mut next.client, &bare(0x81, b"here")).await;
            assert_ne!(next.key, first.key);
            drop(next.client);
            next.notes.over().await;
        }
    });
}

fn soon(rig: &Rig, millis: u64) -> Mono {
    rig.clock.now().mono.after(Duration::from_millis(millis))
}

#[test]
fn many_deadlines_come_together_and_not_a_byte_passes_behind_them() {
    run(async |rig| {
        let due = soon(&rig, 400);
        let mut expiring = Vec::new();
        for _ in 0..200 {
            let both = rig
                .open_with(|_, notes| {
                    notes.deadline.set(Some(due));
                    notes.close_on_report(4401);
                })
                .await;
            expiring.push(both);
        }
        let mut other = rig.open().await;
        // All are due at once, and all have something to say: nobody's is passed on, though a turn
        // does not end them all.
        while rig.clock.now().mono < due {
            std::hint::spin_loop();
        }
        for both in &expiring {
            both.client.try_write(&masked(0x81, b"too late")).unwrap();
            both.upstream.try_write(&bare(0x81, b"too late")).unwrap();
        }
        let talking = async {
            loop {
                other.client.write_all(&masked(0x81, b"?")).await.unwrap();
                expect(&mut other.upstream, &masked(0x81, b"?")).await;
            }
        };
        let ending = async {
            for both in &mut expiring {
                assert_eq!(expect_close(&mut both.client).await, 4401);
                let mut away = vec![0; 8];
                both.upstream.read_exact(&mut away).await.unwrap();
                assert_eq!(frames(&away, Sender::Client)[0].opcode, Opcode::Close);
                assert_eq!(both.notes.heard(1).await, ["deadline"]);
            }
        };
        tokio::select! {
            () = talking => {}
            () = ending => {}
        }
    });
}

#[test]
fn silence_is_reported_and_talking_puts_it_off() {
    run(async |rig| {
        let idle = Duration::from_millis(500);
        let mut both = rig.open_with(|pair, _| pair.idle = Some(idle)).await;
        let began = Instant::now();
        let (mut last, mut longest) = (began, Duration::ZERO);
        while began.elapsed() < idle * 2 {
            longest = longest.max(last.elapsed());
            last = Instant::now();
            both.upstream.write_all(&bare(0x89, b"")).await.unwrap();
            expect(&mut both.client, &bare(0x89, b"")).await;
        }
        // A machine that stood still was silent.
        longest = longest.max(last.elapsed());
        assert!(both.notes.reports.borrow().is_empty() || longest > idle / 2);
        both.notes.reports.borrow_mut().clear();
        both.notes.close_on_report(1001);
        assert_eq!(expect_close(&mut both.client).await, 1001);
        assert!(last.elapsed() >= idle);
        assert_eq!(both.notes.heard(1).await, ["idle"]);
    });
}

#[test]
fn a_socket_that_cannot_be_watched_ends_the_connection() {
    run(async |rig| {
        let both = rig
            .open_with(|pair, _| {
                // A file cannot stand in an epoll set.
                let file = std::fs::File::open("/proc/self/exe").unwrap();
                let socket = std::net::TcpStream::from(std::os::fd::OwnedFd::from(file));
                pair.upstream = Wire::Plain(socket);
            })
            .await;
        assert_eq!(both.notes.over().await.by, EndedBy::Gateway);
    });
}

#[test]
fn the_open_ones_can_be_listed() {
    run(async |rig| {
        let (one, two) = (rig.open().await, rig.open().await);
        let mut keys: Vec<Key> = Vec::new();
        rig.relay.each(&mut |key, Probe(notes)| {
            assert!(Rc::ptr_eq(notes, &one.notes) || Rc::ptr_eq(notes, &two.notes));
            keys.push(key);
        });
        assert_eq!(keys, [one.key, two.key]);
        assert_eq!(rig.relay.len(), 2);
        drop((one.client, two.client));
        one.notes.over().await;
        two.notes.over().await;
        assert!(rig.relay.is_empty());
    });
}

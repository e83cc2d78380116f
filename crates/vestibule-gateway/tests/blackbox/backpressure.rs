//! A peer that does not read makes the other one wait, and the gateway holds almost nothing.

use std::time::Duration;

use vestibule_testkit::{Frame, Opcode, Peer, Role};

use crate::rig::{Outcome, Rig};

const HEADER: &str = r#"accept = ["header"]"#;

/// What the kernel's buffers of four sockets may hold, with room to spare.
const KERNEL: usize = 64 << 20;
/// When a write that does not end is called stalled.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much the gateway may grow for one connection, in KiB.
const GROWTH: u64 = 8 * 1024;

fn check(rig: &Rig, from: &mut Peer, to: &mut Peer, role: Role) -> Outcome {
    let before = rig.gateway.memory()?;
    let frame = Frame::whole(Opcode::Binary, vec![0x5a; 50_000]);
    let bytes = frame.bytes(role);
    let sent = from.send_until_stalled(&bytes, KERNEL, PATIENCE)?;
    assert!(sent < KERNEL, "the sender was never made to wait");
    assert!(sent > 0);
    let growth = rig.gateway.memory()?.saturating_sub(before);
    assert!(growth < GROWTH, "{growth} KiB more");
    // When the slow one reads again, nothing is missing, and the flow goes on.
    for _ in 0..sent / bytes.len() {
        assert!(to.frame()? == frame);
    }
    from.send(&bytes[sent % bytes.len()..])?;
    assert!(to.frame()? == frame);
    Ok(())
}

#[test]
fn a_peer_that_does_not_read_stops_its_source() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    check(&rig, &mut upstream, &mut client, Role::Server)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    check(&rig, &mut client, &mut upstream, Role::Client)
}

#[test]
fn a_stalled_connection_still_ends_when_its_credential_does() -> Outcome {
    let rig = Rig::new("accept = [\"header\"]\nexpiry_grace = \"0s\"\n")?;
    let token = rig.issuer.token_for("alice", 4.0)?;
    let (mut client, mut upstream) =
        rig.open(&vestibule_testkit::Handshake::to("/ws").bearer(&token))?;
    let bytes = Frame::whole(Opcode::Binary, vec![0x5a; 50_000]).bytes(Role::Server);
    upstream.send_until_stalled(&bytes, KERNEL, PATIENCE)?;
    // The upstream hears of the end although the client takes nothing.
    while upstream.frame_or_end()?.is_some() {}
    // The client finds what had left the gateway before, and no frame after a close.
    let rest = client.rest()?;
    let mut left = &rest[..];
    while let Ok(Some((frame, size))) = Frame::read(left, Role::Server) {
        left = &left[size..];
        if frame.opcode == Opcode::Close {
            assert_eq!(frame, Frame::close(4401, "token_expired"));
            assert!(left.is_empty());
        }
    }
    Ok(())
}

#[test]
fn one_stalled_connection_does_not_stall_another() -> Outcome {
    let rig = Rig::new(HEADER)?;
    let (_slow, mut flooding) = rig.open(&rig.good()?)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    let bytes = Frame::whole(Opcode::Binary, vec![0x5a; 50_000]).bytes(Role::Server);
    flooding.send_until_stalled(&bytes, KERNEL, PATIENCE)?;
    for number in 0..100 {
        crate::rig::converse(&mut client, &mut upstream, &format!("message {number}"))?;
    }
    Ok(())
}

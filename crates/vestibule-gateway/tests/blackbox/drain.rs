//! A node that goes away says so, and takes nobody with it by surprise.

use vestibule_testkit::{Frame, Handshake, Opcode, Peer, eventually};

use crate::rig::{No, Outcome, Rig, close, closed, no};

const ALL: &str = "accept = [\"header\", \"message\"]\nauth_deadline = \"1m\"\n";

fn quick(route: &str) -> anyhow::Result<Rig> {
    Rig::with(route, |setup| setup.server("workers = 2\ndrain = \"100ms\""))
}

#[test]
fn a_node_that_goes_away_closes_with_1001() -> Outcome {
    let mut rig = quick(ALL)?;
    let mut pairs = vec![rig.open(&rig.good()?)?, rig.open_by_message(&rig.token()?)?];
    for _ in 0..10 {
        pairs.push(rig.open(&rig.good()?)?);
    }
    rig.gateway.terminate()?;
    for (client, upstream) in &mut pairs {
        assert_eq!(closed(client)?, close(1001, "draining"));
        while let Some(frame) = upstream.frame_or_end()? {
            assert_eq!(frame.opcode, Opcode::Close, "{frame:?}");
        }
    }
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_request_for_a_new_configuration_ends_nobody() -> Outcome {
    let rig = quick(ALL)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    rig.gateway.signal("-HUP")?;
    rig.gateway.log().wait_for("SIGHUP")?;
    client.send_text("still here")?;
    upstream.expect_text("still here")
}

#[test]
fn a_node_that_goes_away_takes_no_new_connections_and_is_not_ready() -> Outcome {
    let mut rig = quick(ALL)?;
    assert_eq!(rig.gateway.ask("/readyz")?.0, 200);
    let (mut client, _upstream) = rig.open(&rig.good()?)?;
    rig.gateway.terminate()?;
    // The client does not answer the close, which keeps the node for a moment.
    assert_eq!(client.frame()?, Frame::close(1001, "draining"));
    let (status, body) = rig.gateway.ask("/readyz")?;
    assert_eq!(status, 503, "{body}");
    assert_eq!(rig.gateway.ask("/healthz")?.0, 200);
    let fresh = rig.send(&rig.good()?).and_then(|mut fresh| no(&mut fresh));
    match fresh {
        // Nobody listens any more; or somebody does, to say no.
        Err(_) => {}
        Ok(No::Http(503, error)) => assert_eq!(error, "draining"),
        Ok(other) => panic!("{other:?}"),
    }
    client.end()?;
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn those_at_the_door_are_told_too() -> Outcome {
    let mut rig = quick(ALL)?;
    let mut waiting = rig.wait_at_the_door()?;
    let mut half = rig.gateway.connect()?;
    half.send("GET /ws HTTP/1.1\r\n")?;
    eventually("both are seen", || Ok(rig.gateway.metric("vestibule_pending")? >= 2))?;
    rig.gateway.terminate()?;
    if let Some(frame) = waiting.frame_or_end()? {
        assert_eq!(frame.payload.get(..2), Some(&1001_u16.to_be_bytes()[..]), "{frame:?}");
        vestibule_testkit::either_way(waiting.send_frame(&Frame::close(1001, "")));
    }
    half.rest()?;
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_node_with_nobody_inside_goes_at_once() -> Outcome {
    let mut rig = Rig::with(ALL, |setup| setup.server("workers = 2\ndrain = \"1h\""))?;
    rig.gateway.terminate()?;
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_peer_that_never_reads_cannot_hold_a_node() -> Outcome {
    let mut rig = quick(r#"accept = ["header"]"#)?;
    let (_client, mut upstream): (Peer, Peer) = rig.open(&rig.good()?)?;
    let bytes =
        Frame::whole(Opcode::Binary, vec![1; 50_000]).bytes(vestibule_testkit::Role::Server);
    upstream.send_until_stalled(&bytes, 64 << 20, std::time::Duration::from_secs(1))?;
    rig.gateway.terminate()?;
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_message_that_is_under_way_is_not_torn() -> Outcome {
    let mut rig = quick(r#"accept = ["header"]"#)?;
    let (mut client, mut upstream) = rig.open(&rig.good()?)?;
    let frame = Frame::whole(Opcode::Text, "x".repeat(1000));
    let bytes = frame.bytes(vestibule_testkit::Role::Server);
    upstream.send(&bytes[..600])?;
    client.exactly(600)?;
    rig.gateway.terminate()?;
    rig.gateway.log().wait_for("SIGTERM")?;
    vestibule_testkit::either_way(upstream.send(&bytes[600..]));
    // Completed, or cut: but no close inside of it.
    let rest = client.rest()?;
    let frame_left = &bytes[600..];
    let close = Frame::close(1001, "draining").bytes(vestibule_testkit::Role::Server);
    let whole = [frame_left, &close].concat();
    assert!(whole.starts_with(&rest), "{rest:02x?}");
    assert!(rest.is_empty() || rest.len() == whole.len() || rest.len() <= frame_left.len());
    drop(upstream);
    assert_eq!(rig.gateway.wait()?.code(), Some(0));
    let _: Handshake = rig.good()?;
    Ok(())
}

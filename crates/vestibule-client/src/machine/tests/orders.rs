//! What must hold, whatever happens in whatever order.

use core::time::Duration;

use proptest::prelude::*;

use super::super::*;

/// What the driver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    None,
    Connecting,
    Open,
}

const ACCEPTED: &str =
    r#"{"auth":{"type":"accepted","subject":"alice","mechanism":"bearer","expires_in":5}}"#;

/// Twice in the list is twice as likely.
fn inputs() -> Vec<Input<'static>> {
    let closed =
        |code| Input::SocketClosed(End { code, reason: String::new(), clean: code != 1006 });
    let mut inputs = vec![
        Input::Start,
        Input::Credential,
        Input::Credential,
        Input::NoCredential(Failure::Failed),
        Input::NoCredential(Failure::Repeated),
        Input::NoCredential(Failure::Denied),
        Input::SocketOpen,
        Input::SocketOpen,
        Input::Text("hello"),
        Input::Binary,
        Input::Fault,
        Input::Close { code: 1000, reason: String::new() },
        Input::Abort,
        Input::Logout,
        Input::Refresh,
        Input::Online,
        Input::Tick,
        Input::Text(r#"{"auth":{"type":"required"}}"#),
        Input::Text(ACCEPTED),
        Input::Text(ACCEPTED),
        Input::Text(r#"{"auth":{"type":"expiring","expires_in":5}}"#),
        Input::Text(r#"{"auth":{"type":"rejected","error":"invalid_token","retry":true}}"#),
        Input::Text(r#"{"auth":{"type":"rejected","error":"insufficient_scope","retry":false}}"#),
        Input::Text(r#"{"auth":{"type":"challenge","nonce":"abc","expires_in":5}}"#),
        Input::Text(r#"{"auth":{"type":"challenge","message":"abc","expires_in":5}}"#),
        Input::Text(r#"{"auth":{"type":"accepted","subject":"a","expires_in":5,"message":"v=a"}}"#),
        Input::Response(None),
        Input::Response(Some(Expected::new("v=a"))),
        Input::NoResponse,
        Input::Text(r#"{"auth":"#),
    ];
    inputs.extend([1000, 1001, 1006, 4400, 4401, 4410, 4429].map(closed));
    inputs
}

/// Whether a socket in this state can do that: a driver reports nothing else.
fn possible(input: &Input<'_>, socket: Socket) -> bool {
    match input {
        Input::SocketOpen | Input::Fault => socket == Socket::Connecting,
        Input::Text(_) | Input::Binary | Input::SocketClosed(_) => socket == Socket::Open,
        Input::Start
        | Input::Credential
        | Input::NoCredential(_)
        | Input::Response(_)
        | Input::NoResponse
        | Input::Close { .. }
        | Input::Abort
        | Input::Logout
        | Input::Refresh
        | Input::Online
        | Input::Tick => true,
    }
}

fn apply(effect: &Effect, socket: &mut Socket, carrier: Carrier, running: &mut u32) {
    match effect {
        Effect::Connect => {
            assert_eq!(*socket, Socket::None, "never two sockets");
            *socket = Socket::Connecting;
        }
        Effect::Present(_)
        | Effect::Challenge(_)
        | Effect::Respond
        | Effect::Logout
        | Effect::Close { .. }
        | Effect::Open(_) => {
            assert_eq!(*socket, Socket::Open, "{effect:?} needs a socket");
        }
        Effect::Drop { .. } => *socket = Socket::None,
        Effect::Ask { reason, .. } => {
            assert!(*reason != AskReason::Refresh || carrier != Carrier::Cookie);
            *running = 1;
        }
        Effect::Closed(_) => {
            assert_eq!(*running, 1, "the end is told once");
            *running = 0;
        }
        Effect::Cancel
        | Effect::Spend
        | Effect::Deliver
        | Effect::Auth(_)
        | Effect::Reconnecting { .. }
        | Effect::Error { .. } => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_leaves_two_sockets_or_one_without_an_owner_or_a_wait_without_an_end(
        carrier in prop::sample::select(vec![Carrier::Message, Carrier::Handshake, Carrier::Cookie, Carrier::PerMessage]),
        proof in prop::sample::select(vec![Proof::Token, Proof::Response]),
        replacing in prop::sample::select(vec![Replacing::On, Replacing::Off]),
        steps in prop::collection::vec(
            (prop::sample::select(inputs()), 0_u8..4, 0.0_f64..1.0), 1..300),
    ) {
        let mut machine = Machine::new(Settings { carrier, proof, replacing, ..Settings::default() });
        let (mut now, mut socket, mut running) = (Duration::ZERO, Socket::None, 0);
        for (input, passes, jitter) in steps {
            now = match passes {
                0 => now,
                1 => now + Duration::from_millis(1),
                2 => now + Duration::from_millis(100),
                _ => machine.deadline().map_or(now, |until| until.max(now)),
            };
            if !possible(&input, socket) {
                continue;
            }
            if matches!(input, Input::SocketOpen) {
                socket = Socket::Open;
            } else if matches!(input, Input::SocketClosed(_)) {
                socket = Socket::None;
            }
            for effect in machine.handle(input, now, jitter) {
                apply(&effect, &mut socket, carrier, &mut running);
            }
            let state = machine.state();
            if matches!(state, StateName::Stopped | StateName::Asking | StateName::Waiting) {
                prop_assert_eq!(socket, Socket::None, "a socket is left behind in {:?}", state);
            }
            match machine.deadline() {
                None => prop_assert!(matches!(state, StateName::Stopped | StateName::Open)),
                Some(until) => prop_assert!(until >= now || state == StateName::Settling),
            }
        }
    }
}

//! Ways to get more out of the gateway than one has a right to, each of which worked once.

use vestibule_testkit::{Frame, Message, Opcode, Role};

use crate::rig::{Outcome, Rig};

#[test]
fn a_ping_for_every_few_bytes_is_not_an_answer_for_every_few_bytes() -> Outcome {
    let rig = Rig::new("accept = [\"message\"]\n")?;
    let mut client = rig.wait_at_the_door()?;
    let pings = Frame::whole(Opcode::Ping, "").bytes(Role::Client).repeat(5000);
    let last = Frame::whole(Opcode::Ping, "last").bytes(Role::Client);
    client.send([pings, last].concat())?;
    let mut answers = 0;
    loop {
        match client.message()? {
            Message::Pong(payload) if payload == b"last" => break,
            Message::Pong(_) => answers += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(answers < 500, "{answers} answers");
    Ok(())
}

//! What the browser says (Web Authentication section 5.8.1).

use serde_json::{Map, Value};

use super::{invalid, malformed, party::Framing};
use crate::{Refused, encoding, refused::shown};

pub(super) struct ClientData {
    kind: String,
    challenge: Vec<u8>,
    origin: String,
    frame: Frame,
}

/// Where the page was.
enum Frame {
    /// At the top, or in a frame of its own origin.
    Own,
    /// In a frame of another page, which old browsers do not name.
    Foreign(Option<String>),
}

impl ClientData {
    /// Reads it. Members that are not known are for the future, and are signed all the same.
    pub(super) fn parse(json: &[u8]) -> Result<Self, Refused> {
        let members = encoding::object(json)
            .map_err(|error| malformed(format!("client data is not a JSON object: {error}")))?;
        let challenge = encoding::base64url(text(&members, "challenge")?.as_bytes())
            .ok_or_else(|| malformed("client data has a challenge that is not base64url"))?;
        let top = match members.get("topOrigin") {
            None => None,
            Some(Value::String(top)) => Some(top.clone()),
            Some(_) => return Err(malformed("client data has a topOrigin that is no string")),
        };
        let frame = match (members.get("crossOrigin"), top) {
            (None | Some(Value::Bool(false)), None) => Frame::Own,
            (None | Some(Value::Bool(false)), Some(_)) => {
                return Err(malformed("client data has a topOrigin without crossOrigin"));
            }
            (Some(Value::Bool(true)), top) => Frame::Foreign(top),
            (Some(_), _) => {
                return Err(malformed("client data has a crossOrigin that is no boolean"));
            }
        };
        Ok(Self {
            kind: text(&members, "type")?.to_owned(),
            challenge,
            origin: text(&members, "origin")?.to_owned(),
            frame,
        })
    }

    /// The challenge that was signed.
    pub(super) fn challenge(&self) -> &[u8] {
        &self.challenge
    }

    /// Judges it: the kind of ceremony, the challenge, the page and who had it in a frame.
    pub(super) fn check(
        &self,
        kind: &str,
        challenge: &[u8],
        origins: &[Box<str>],
        framing: &Framing,
    ) -> Result<(), Refused> {
        let Self { kind: is, challenge: signed, origin, frame } = self;
        if is != kind {
            return Err(invalid(format!("type is {}, wanted: {kind}", shown(is))));
        }
        if signed != challenge {
            return Err(invalid("not the challenge that was given"));
        }
        if !origins.iter().any(|allowed| **allowed == **origin) {
            return Err(invalid(format!("made on {}, which is no page of ours", shown(origin))));
        }
        match (frame, framing) {
            (Frame::Own, Framing::Refused | Framing::By(_) | Framing::ByAnybody)
            | (Frame::Foreign(_), Framing::ByAnybody) => Ok(()),
            (Frame::Foreign(Some(top)), Framing::By(allowed))
                if allowed.iter().any(|allowed| **allowed == **top) =>
            {
                Ok(())
            }
            (Frame::Foreign(_), Framing::Refused | Framing::By(_)) => {
                Err(invalid("made in a frame of another page"))
            }
        }
    }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, Refused> {
    members
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| malformed(format!("client data has no {name}")))
}

//! What a connection is called in logs, towards the upstream, and by those who end it.

use std::{fmt, num::NonZeroU64, str::FromStr};

use vestibule_core::authn::ConnectionId;

/// One run of one node: 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process(u64);

impl Process {
    /// A new one. Fails where the system has no randomness.
    pub fn random() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

/// Names one connection over all nodes and all restarts, like `c-4f2a90cc01d3b7e8-17`: which run of
/// which node, and which connection of it. It is no secret, and gives no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionName {
    process: Process,
    number: NonZeroU64,
}

/// What was written is no name of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a connection: it is written like c-4f2a90cc01d3b7e8-17")]
pub struct NotAName;

impl ConnectionName {
    pub(super) fn new(process: Process, ConnectionId(number): ConnectionId) -> Self {
        Self { process, number }
    }

    /// Which connection of that process it names; `None` where it is of another.
    pub(super) fn of(self, process: Process) -> Option<ConnectionId> {
        (self.process == process).then_some(ConnectionId(self.number))
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process: Process(process), number } = self;
        write!(f, "c-{process:016x}-{number}")
    }
}

impl FromStr for ConnectionName {
    type Err = NotAName;

    /// Takes what [`fmt::Display`] writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (process, number) =
            text.strip_prefix("c-").and_then(|rest| rest.split_once('-')).ok_or(NotAName)?;
        let process = Process(u64::from_str_radix(process, 16).map_err(|_| NotAName)?);
        let name = Self { process, number: number.parse().map_err(|_| NotAName)? };
        if name.to_string() == text { Ok(name) } else { Err(NotAName) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_in_no_other_way() {
        let name: ConnectionName = "c-004f2a90cc01d3b7-17".parse().unwrap();
        assert_eq!(name.to_string(), "c-004f2a90cc01d3b7-17");
        for wrong in [
            "",
            "17",
            "c-17",
            "c-004f2a90cc01d3b7-0",
            "c-004f2a90cc01d3b7-017",
            "c-004f2a90cc01d3b7-+17",
            "c-004F2A90CC01D3B7-17",
            "c-4f2a90cc01d3b7-17",
            "c-004f2a90cc01d3b7-17 ",
            "c-004f2a90cc01d3b7-99999999999999999999",
        ] {
            assert_eq!(wrong.parse::<ConnectionName>(), Err(NotAName), "{wrong}");
        }
    }

    #[test]
    fn a_name_of_another_run_names_nothing_here() {
        let (here, there) = (Process(1), Process(2));
        let id = ConnectionId(NonZeroU64::MIN);
        assert_eq!(ConnectionName::new(here, id).of(here), Some(id));
        assert_eq!(ConnectionName::new(here, id).of(there), None);
    }
}

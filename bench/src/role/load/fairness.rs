//! Quiet connections beside one that floods and one that never reads.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{
    GUARD, Outcome,
    fleet::{Did, Fleet, header_bytes, masked},
    quantiles,
};
use crate::role::socket;

/// Bytes of each message of the two that are not quiet.
const FLOOD: usize = 64 * 1024;
/// Most of them that the flooding one has on their way.
const FLOOD_AHEAD: usize = 4;
/// How many the other one sends, of whose echo it reads nothing.
const UNREAD: usize = 128;

/// The two that are not quiet, by place.
struct Noise {
    flood: usize,
    stuck: usize,
    frame: Vec<u8>,
    /// Bytes of the flood that have come back, and how many a message has.
    back: usize,
    answer: usize,
}

impl Fleet {
    /// What the quiet ones wait for their answers: alone, then beside the others.
    pub(super) fn fairness(&mut self) -> Result<Outcome> {
        let places = self.clients.len();
        let (flood, stuck) = (places.checked_sub(2), places.checked_sub(1));
        let (flood, stuck) = (flood.context("too few")?, stuck.context("too few")?);
        let alone = self.paced(flood, None)?;
        let frame = masked(0x82, &vec![b'x'; FLOOD]);
        let mut noise = Noise { flood, stuck, frame, back: 0, answer: FLOOD + header_bytes(FLOOD) };
        for (at, count) in [(flood, FLOOD_AHEAD), (stuck, UNREAD)] {
            for _ in 0..count {
                self.shout(at, &noise.frame)?;
            }
        }
        let beside = self.paced(flood, Some(&mut noise))?;
        ensure!(noise.back > 0, "the flood did not come back");
        Ok(Outcome { alone: alone.p99, ..beside })
    }

    fn shout(&mut self, at: usize, frame: &[u8]) -> Result<()> {
        if let Some(Some(client)) = self.clients.get_mut(at) {
            let alive = socket::write(&mut client.socket, &mut client.pending, frame);
            ensure!(alive, "a connection ended early");
        }
        Ok(())
    }

    /// Messages at the rate that is asked for, over the first connections in turn.
    fn paced(&mut self, quiet: usize, mut noise: Option<&mut Noise>) -> Result<Outcome> {
        let began = Instant::now();
        let mut times = Vec::new();
        let (mut sent, mut done) = (0_u64, 0);
        while done < self.options.count {
            let due = began.elapsed().as_micros() * u128::from(self.options.rate) / 1_000_000;
            while u128::from(sent) < due && sent < self.options.count {
                let at = usize::try_from(sent)? % quiet;
                let meant = Duration::from_micros(sent * 1_000_000 / self.options.rate);
                if let Some(Some(client)) = self.clients.get_mut(at) {
                    client.sent.push_back(began + meant);
                }
                self.send(at)?;
                sent += 1;
            }
            for at in self.ready(Some(Duration::from_micros(100)))? {
                match &mut noise {
                    Some(noise) if at == noise.stuck => self.shout(at, &[])?,
                    Some(noise) if at == noise.flood => self.flood(noise)?,
                    Some(_) | None => match self.step(at)? {
                        Did::Messages(count) => {
                            let Some(Some(client)) = self.clients.get_mut(at) else { continue };
                            for _ in 0..count {
                                done += 1;
                                times.extend(client.sent.pop_front().map(|sent| sent.elapsed()));
                            }
                        }
                        Did::Ended => bail!("a connection ended early"),
                        Did::Nothing | Did::Opened => {}
                    },
                }
            }
            ensure!(began.elapsed() < GUARD, "only {done} messages came back");
        }
        Ok(quantiles(times, began))
    }

    /// Reads once, and sends a message for each that came back whole: a flood of one connection must
    /// not keep the load itself from the others.
    fn flood(&mut self, noise: &mut Noise) -> Result<()> {
        let Some(Some(client)) = self.clients.get_mut(noise.flood) else { return Ok(()) };
        let before = noise.back / noise.answer;
        loop {
            match socket::read(&mut client.socket, &mut self.buffer) {
                socket::Got::Bytes(count) => noise.back += count,
                socket::Got::Nothing => break,
                socket::Got::End => bail!("the flood ended early"),
            }
        }
        self.shout(noise.flood, &[])?;
        for _ in before..noise.back / noise.answer {
            self.shout(noise.flood, &noise.frame)?;
        }
        Ok(())
    }
}

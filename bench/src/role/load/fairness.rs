//! Quiet connections beside one that floods and one that never reads.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{
    GUARD, Outcome,
    fleet::{Did, Fleet, header_bytes, masked},
    windowed,
};
use crate::role::socket;

/// Bytes of each message of the two that are not quiet.
const FLOOD: usize = 64 * 1024;
/// Most of them that the flooding one has on their way.
const FLOOD_AHEAD: usize = 4;
/// How many the other one sends, of whose echo it reads nothing.
const UNREAD: usize = 128;

/// Of what times there are quantiles.
const WINDOW: Duration = Duration::from_millis(250);

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
    /// What messages at a fixed rate take, over all connections in turn.
    pub(super) fn latency(&mut self) -> Result<Outcome> {
        self.paced(self.clients.len(), None)
    }

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
        let mut windows = Vec::new();
        let (mut sent, mut done) = (0_u64, 0);
        while done < self.options.count {
            let mut wanted = self.meant(sent, began);
            while wanted.is_some_and(|at| at <= Instant::now()) {
                let at = usize::try_from(sent)? % quiet;
                // The time at which it was due counts, not the time at which we got to it.
                if let Some(Some(client)) = self.clients.get_mut(at) {
                    client.sent.extend(wanted);
                }
                self.send(at)?;
                sent += 1;
                wanted = self.meant(sent, began);
            }
            for at in self.ready_by(wanted)? {
                match &mut noise {
                    Some(noise) if at == noise.stuck => self.shout(at, &[])?,
                    Some(noise) if at == noise.flood => self.flood(noise)?,
                    Some(_) | None => match self.step(at)? {
                        Did::Messages(count) => {
                            let Some(Some(client)) = self.clients.get_mut(at) else { continue };
                            let sent = client.sent.drain(..count.min(client.sent.len()));
                            for sent in sent {
                                done += 1;
                                note(&mut windows, sent.duration_since(began), sent.elapsed());
                            }
                        }
                        Did::Ended => bail!("a connection ended early"),
                        Did::Nothing | Did::Opened => {}
                    },
                }
            }
            ensure!(began.elapsed() < GUARD, "only {done} messages came back");
        }
        Ok(windowed(windows, began))
    }

    /// When a message is to be sent; never, where it is one too many.
    fn meant(&self, number: u64, began: Instant) -> Option<Instant> {
        let offset = Duration::from_nanos(number * 1_000_000_000 / self.options.rate);
        (number < self.options.count).then(|| began + offset)
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

/// Puts a time into the window in which its message was due.
fn note(windows: &mut Vec<Vec<Duration>>, due: Duration, took: Duration) {
    let Ok(number) = usize::try_from(due.as_millis() / WINDOW.as_millis()) else { return };
    if number >= windows.len() {
        windows.resize_with(number + 1, Vec::new);
    }
    if let Some(window) = windows.get_mut(number) {
        window.push(took);
    }
}

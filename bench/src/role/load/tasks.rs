//! What the load does with its connections.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};

use super::{
    GUARD, Outcome,
    fleet::{Did, Fleet, Stage, masked},
    hear, quantiles,
};
use crate::role::socket;

impl Fleet {
    pub(super) fn relay(&mut self) -> Result<Outcome> {
        let began = Instant::now();
        let mut left = self.options.count;
        let places = self.clients.len();
        for _ in 0..self.options.in_flight {
            for at in 0..places {
                self.send(at)?;
            }
        }
        let mut done = 0;
        let flight = u64::try_from(self.options.in_flight * places)?;
        left = left.saturating_sub(flight);
        let total = self.options.count.max(flight);
        while done < total {
            for at in self.ready(Some(Duration::from_secs(30)))? {
                match self.step(at)? {
                    Did::Messages(count) => {
                        for _ in 0..count {
                            done += 1;
                            if left > 0 {
                                left -= 1;
                                self.send(at)?;
                            }
                        }
                    }
                    Did::Ended => bail!("a connection ended while relaying"),
                    Did::Nothing | Did::Opened => {}
                }
            }
            ensure!(began.elapsed() < GUARD, "only {done} of {total} messages came back");
        }
        Ok(Outcome { count: done, seconds: began.elapsed().as_secs_f64(), ..Outcome::default() })
    }

    pub(super) fn handshakes(&mut self) -> Result<Outcome> {
        let began = Instant::now();
        let mut times = Vec::new();
        let mut done = 0;
        let abreast = u64::try_from(self.options.connections)?.min(self.options.count);
        for at in 0..usize::try_from(abreast)? {
            self.start(at)?;
        }
        while done < self.options.count {
            for at in self.ready(Some(Duration::from_secs(30)))? {
                match self.step(at)? {
                    Did::Opened => self.send(at)?,
                    Did::Messages(_) => {
                        if let Some(Some(client)) = self.clients.get_mut(at) {
                            client.stage = Stage::Closing;
                            let close = masked(0x88, &1000_u16.to_be_bytes());
                            socket::write(&mut client.socket, &mut client.pending, &close);
                        }
                    }
                    Did::Ended => {
                        if let Some(Some(client)) = self.clients.get(at) {
                            ensure!(client.stage == Stage::Closing, "refused: {:?}", client.stage);
                            times.push(client.began.elapsed());
                        }
                        done += 1;
                        if let Some(place) = self.clients.get_mut(at) {
                            *place = None;
                        }
                        if self.started < self.options.count {
                            self.start(at)?;
                        }
                    }
                    Did::Nothing => {}
                }
            }
            ensure!(began.elapsed() < GUARD, "only {done} handshakes were done");
        }
        Ok(quantiles(times, began))
    }

    /// Waits until every connection was closed by the other side, or standard input ends.
    pub(super) fn closes(&mut self) -> Result<Outcome> {
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if hear().is_ok() {
                // The receiver may be gone: everything was closed already.
                let _unheard = ended.send(());
            }
        });
        let began = Instant::now();
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut outcome = Outcome { began: since.as_secs_f64(), ..Outcome::default() };
        while outcome.closed < u64::try_from(self.clients.len())? && end.try_recv().is_err() {
            for at in self.ready(Some(Duration::from_millis(50)))? {
                if let Did::Ended = self.step(at)? {
                    let now = began.elapsed().as_secs_f64();
                    if outcome.closed == 0 {
                        outcome.first_closed = now;
                    }
                    outcome.closed += 1;
                    outcome.last_closed = now;
                    if let Some(place) = self.clients.get_mut(at) {
                        *place = None;
                    }
                }
            }
        }
        outcome.seconds = began.elapsed().as_secs_f64();
        Ok(outcome)
    }
}

//! What a measurement ran on, and how quiet it was.

use std::{fs, process::Command};

use serde::Serialize;

/// A machine, in words.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// The kernel.
    pub kernel: String,
    /// How TCP paces itself; anything but `reno` or `cubic` bends figures on loopback.
    pub congestion_control: String,
    /// How many files a process may hold open.
    pub open_files: String,
}

impl Machine {
    /// This one.
    pub fn look() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpu.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let open_files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .and_then(|line| line.split_whitespace().nth(4))
            .unwrap_or_default();
        let uname = Command::new("uname").arg("-sr").output();
        Self {
            processor: field("model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: uname
                .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
                .unwrap_or_default(),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
            open_files: open_files.to_owned(),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// What the cores have done so far, in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    busy: u64,
    stolen: u64,
    all: u64,
}

impl Ticks {
    /// Since the machine started.
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).filter_map(|tick| tick.parse().ok()).collect();
        let at = |place: usize| ticks.get(place).copied().unwrap_or(0);
        let all = ticks.iter().take(8).sum();
        let (idle, waiting, stolen) = (at(3), at(4), at(7));
        Self { busy: all - idle - waiting - stolen, stolen, all }
    }

    /// The share of the cores that the hypervisor gave to others since `before`.
    pub fn stolen_since(self, before: Self) -> f64 {
        ratio(self.stolen - before.stolen, self.all - before.all)
    }

    /// The share of the cores that was busy since `before`.
    pub fn busy_since(self, before: Self) -> f64 {
        ratio(self.busy - before.busy, self.all - before.all)
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

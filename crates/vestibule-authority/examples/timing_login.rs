//! Whether the time of a refused login tells who is a user: medians over many refusals of each kind,
//! and how far each is from that of an unknown user. `cargo run --release --example timing_login [rounds]`.
//!
//! The kinds take turns within each round, in an order that shifts, so that whatever else the machine
//! does falls on all of them. Look at the ratio beside the spread between two series of the same kind:
//! "unknown" is measured twice.

use std::{
    error::Error,
    net::IpAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use vestibule_authority::{
    attempts::AttemptPolicy,
    store::{Embedded, Rate, Store},
    users::{LoginError, NewUser, PasswordHasher, UserState, Users},
};
use vestibule_core::{authn::Secret, time::UnixTime};
use vestibule_verify::password::Cost;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const ROUNDS: usize = 200;
/// What is measured, and whose name is presented for it.
const KINDS: [(&str, &str); 6] = [
    ("unknown user", "nobody"),
    ("unknown user again", "no-one"),
    ("wrong password", "alice"),
    ("disabled, wrong password", "mallory"),
    ("disabled, right password", "mallory"),
    ("wrong password, hash of a lower cost", "old"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args().nth(1).map_or(Ok(ROUNDS), |rounds| rounds.parse())?;
    let users = users().await?;
    let mut series = KINDS.map(|_| Vec::with_capacity(rounds));
    for round in 0..rounds {
        for turn in 0..KINDS.len() {
            let kind = (round + turn) % KINDS.len();
            let (Some((what, name)), Some(times)) = (KINDS.get(kind), series.get_mut(kind)) else {
                continue;
            };
            times.push(refusal(&users, what, name).await?);
        }
    }
    report(&mut series);
    Ok(())
}

/// Users whose attempts are not bounded, with hashes of two costs.
async fn users() -> Result<Users, Box<dyn Error>> {
    let often = Rate { burst: u32::MAX / 2, every: Duration::from_millis(1) };
    let attempts = AttemptPolicy { account: often, address: often };
    let store: Arc<dyn Store> = Embedded::in_memory()?;
    let at = |cost| -> Result<Users, Box<dyn Error>> {
        let hasher = PasswordHasher::new(cost, NonZeroUsize::MIN, 1)?;
        Ok(Users::with(Arc::clone(&store), hasher, attempts))
    };
    let (earlier, users) = (at(Cost::LEAST)?, at(Cost::new(Cost::LEAST.memory_kib(), 3)?)?);
    earlier.add(user("old"), NOW).await?;
    users.add(user("alice"), NOW).await?;
    users.add(user("mallory"), NOW).await?;
    users.set_state("mallory", UserState::Disabled, NOW).await?;
    Ok(users)
}

fn user(name: &str) -> NewUser {
    NewUser {
        name: name.into(),
        password: Secret::new("correct horse"),
        scopes: Box::default(),
        groups: Box::default(),
        email: None,
        display_name: None,
    }
}

async fn refusal(users: &Users, what: &str, name: &str) -> Result<Duration, Box<dyn Error>> {
    let right = what.contains("right password");
    let password = Secret::new(if right { "correct horse" } else { "battery staple" });
    let start = Instant::now();
    let said = users.login(name, &password, IpAddr::from([192, 0, 2, 1]), NOW).await;
    let took = start.elapsed();
    match said {
        Err(LoginError::Refused(_)) => Ok(took),
        Ok(_) => Err(format!("{what}: let in").into()),
        Err(error) => Err(error.into()),
    }
}

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn report(series: &mut [Vec<Duration>]) {
    let mut first = None;
    println!("{:38} {:>10} {:>10} {:>10} {:>7}", "refused", "median", "p10", "p90", "ratio");
    for ((what, _), times) in KINDS.iter().zip(series) {
        times.sort_unstable();
        let at = |percent| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let [low, median, high] = [10, 50, 90].map(|percent| at(percent).as_secs_f64() * 1000.0);
        let ratio = median / *first.get_or_insert(median);
        println!("{what:38} {median:>7.2} ms {low:>7.2} ms {high:>7.2} ms {ratio:>7.3}");
    }
}

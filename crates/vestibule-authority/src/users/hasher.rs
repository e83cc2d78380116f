//! Hashes passwords beside everything else: on threads that may block, a few at a time, with a queue
//! that has an end.
//!
//! Each hash takes its memory for its time. Without a bound, whoever sends logins takes all of it;
//! with one, he takes the turn of other logins, which is what the attempt counters are for.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::spawn_blocking};
use vestibule_core::authn::Secret;
use vestibule_verify::{
    password::{Cost, HashFault, Password, PasswordHash},
    scram::{Iterations, StoredKeys},
};
use zeroize::Zeroizing;

use crate::{limits, opaque};

/// Keys of SCRAM, and the name of the password that they are of.
pub(crate) type NamedKeys = (Box<str>, Zeroizing<String>);

/// Hashes passwords, a few at a time.
pub struct PasswordHasher {
    cost: Cost,
    nobody: PasswordHash,
    /// A permit for each who hashes or waits.
    places: Arc<Semaphore>,
    /// A permit for each who hashes.
    pub(super) workers: Arc<Semaphore>,
    hashed: AtomicU64,
}

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// Too many wait.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// It failed.
    #[error(transparent)]
    Fault(HashFault),
    /// The thread is gone: the process ends, or something is broken.
    #[error("hashing was broken off")]
    Interrupted,
}

/// Whether a password is somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Right,
    Wrong,
}

impl PasswordHasher {
    /// Hashes at that cost, so many at once, while so many may wait.
    ///
    /// Lowering the cost of an installation shows, by the time that a login takes, which names are
    /// users whose hash is older.
    pub fn new(cost: Cost, workers: NonZeroUsize, queue: usize) -> Result<Arc<Self>, HashFault> {
        let workers = workers.get().min(Semaphore::MAX_PERMITS);
        let places = workers.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        Ok(Arc::new(Self {
            cost,
            nobody: PasswordHash::of_nobody(cost)?,
            places: Arc::new(Semaphore::new(places)),
            workers: Arc::new(Semaphore::new(workers)),
            hashed: AtomicU64::new(0),
        }))
    }

    /// Half of the cores, and at least one.
    pub fn default_workers() -> NonZeroUsize {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
    }

    /// The cost at which a hash takes about so long on this machine: first the passes grow to eight,
    /// then the memory to 256 MiB, then the passes again. Never below [`Cost::LEAST`], and the target
    /// is at most [`limits::PASSWORD_TARGET_LONGEST`].
    ///
    /// Blocks for a few hashes; for the start of a process, or a command. The result differs from
    /// machine to machine and from run to run: nodes that share users should share a configured cost.
    pub fn calibrate(target: Duration) -> Result<Cost, HashFault> {
        const PASSES: u32 = 8;
        const MEMORY_KIB: u32 = 256 * 1024;
        let target = target.min(limits::PASSWORD_TARGET_LONGEST);
        let unit = measure(Cost::LEAST)?;
        // In units of the least cost, rounded down.
        let times = target.as_micros() / unit.as_micros().max(1);
        let times = u32::try_from(times).unwrap_or(u32::MAX).max(1);
        let (least, passes) = (Cost::LEAST.memory_kib(), Cost::LEAST.passes());
        let wanted = times.saturating_mul(passes);
        if wanted <= PASSES {
            return Ok(Cost::new(least, wanted).unwrap_or(Cost::LEAST));
        }
        let memory = least.saturating_mul(wanted / PASSES).min(MEMORY_KIB);
        let passes = least.saturating_mul(wanted) / memory.max(1);
        Ok(Cost::new(memory, passes.clamp(PASSES, 64)).unwrap_or(Cost::LEAST))
    }

    /// What a hash costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// How many hashes were computed or begun; for metrics.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// How many more would be taken now; for metrics.
    pub fn room(&self) -> usize {
        self.places.available_permits()
    }

    /// Hashes a password.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HasherError> {
        let cost = self.cost;
        self.run(move || password.hash(cost)).await
    }

    /// The same, and derives the keys for those who do not send it (RFC 7677), with a name; none for a
    /// password that RFC 4013 has no form for.
    pub(crate) async fn hash_and_derive(
        &self,
        password: Password,
        secret: Secret,
    ) -> Result<(PasswordHash, Option<NamedKeys>), HasherError> {
        let cost = self.cost;
        self.run(move || {
            let hash = password.hash(cost)?;
            let id = opaque::random::<{ opaque::ID_BYTES }>().map_err(|_| HashFault::Random)?;
            let salt = opaque::random::<16>().map_err(|_| HashFault::Random)?;
            let text = str::from_utf8(secret.expose()).unwrap_or_default();
            let keys = StoredKeys::derive(text, *salt, Iterations::DEFAULT).ok();
            let named = |keys: StoredKeys| (opaque::encode(id.as_slice()).into(), keys.to_text());
            Ok((hash, keys.map(named)))
        })
        .await
    }

    /// Whether a password is that of a hash, or of nobody. Every "wrong" costs the same: for nobody,
    /// for a hash of today, and for one of a lower cost, where the difference is made up for.
    pub(crate) async fn verify(
        &self,
        hash: Option<PasswordHash>,
        password: Password,
    ) -> Result<Found, HasherError> {
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let cost = self.cost;
        self.run(move || {
            Ok(if hash.is_of_at(&password, cost)? { Found::Right } else { Found::Wrong })
        })
        .await
    }

    /// In its turn, on a thread that may block. Once begun it goes on if the future is dropped, and
    /// keeps its place until it is done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashFault> + Send + 'static,
    ) -> Result<T, HasherError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HasherError::Busy)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await;
        let worker = worker.map_err(|_| HasherError::Interrupted)?;
        self.hashed.fetch_add(1, Ordering::Relaxed);
        let done = spawn_blocking(move || {
            let result = work();
            drop((worker, place));
            result
        });
        done.await.map_err(|_| HasherError::Interrupted)?.map_err(HasherError::Fault)
    }
}

/// The shorter of two: the first one pays for memory that the process has not had yet.
fn measure(cost: Cost) -> Result<Duration, HashFault> {
    let password = Password::prepare(&Secret::new("a password to measure"))
        .map_err(|_| HashFault::Malformed)?;
    let mut shortest = Duration::MAX;
    for _ in 0..2 {
        let start = Instant::now();
        password.hash(cost)?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(shortest)
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cost, nobody: _, places, workers, hashed } = self;
        f.debug_struct("PasswordHasher")
            .field("cost", cost)
            .field("places", &places.available_permits())
            .field("workers", &workers.available_permits())
            .field("hashed", hashed)
            .finish_non_exhaustive()
    }
}

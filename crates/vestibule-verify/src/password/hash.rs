//! Hashes as texts (the PHC string format): `$argon2id$v=19$m=…,t=…,p=1$salt$hash`.

use core::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, rand};
use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

use super::{Cost, Password};
use crate::limits;

/// RFC 9106 section 3.1: 16 bytes are recommended for hashing passwords.
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;
const HEAD: &str = "$argon2id$v=19$";

/// What is kept of a password.
#[derive(Clone)]
pub struct PasswordHash {
    text: Zeroizing<String>,
    cost: Cost,
    salt: [u8; SALT_BYTES],
    output: Zeroizing<[u8; OUTPUT_BYTES]>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFault {
    /// Not a hash of the form that is made here, or one that costs too much.
    Malformed,
    /// Not enough memory now.
    Memory,
    /// The system has no randomness.
    Random,
}

impl PasswordHash {
    pub(super) fn of(password: &Password, cost: Cost) -> Result<Self, HashFault> {
        let salt = random()?;
        let output = compute(password, cost, &salt, &mut memory(cost)?)?;
        Ok(Self::from_parts(cost, salt, output))
    }

    /// A hash that no password is known for, and that costs as much to find out: for users who do not
    /// exist.
    pub fn of_nobody(cost: Cost) -> Result<Self, HashFault> {
        Ok(Self::from_parts(cost, random()?, Zeroizing::new(random()?)))
    }

    /// As it was kept.
    pub fn parse(text: &str) -> Result<Self, HashFault> {
        Self::read(text).ok_or(HashFault::Malformed)
    }

    /// To be kept.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it costs to find out whether it is of a password.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether it is of that password. Takes as long either way.
    pub fn is_of(&self, password: &Password) -> Result<bool, HashFault> {
        self.is_of_at(password, self.cost)
    }

    /// Whether it is of that password; where it is not, takes about as long as if the hash were of
    /// that cost. A hash of an earlier, lower cost would else show by its time that there is a user.
    pub fn is_of_at(&self, password: &Password, cost: Cost) -> Result<bool, HashFault> {
        // One piece of memory for both parts: getting it is a good share of the time.
        let mut memory = memory(cost.max_memory(self.cost))?;
        let output = compute(password, self.cost, &self.salt, &mut memory)?;
        if constant_time::verify_slices_are_equal(&*output, &*self.output).is_ok() {
            return Ok(true);
        }
        if let Some(rest) = cost.without(self.cost) {
            compute(password, rest, &self.salt, &mut memory)?;
        }
        Ok(false)
    }

    fn from_parts(
        cost: Cost,
        salt: [u8; SALT_BYTES],
        output: Zeroizing<[u8; OUTPUT_BYTES]>,
    ) -> Self {
        let (memory, passes) = (cost.memory_kib(), cost.passes());
        let (salt_text, hash_text) =
            (BASE64_NOPAD.encode(&salt), Zeroizing::new(BASE64_NOPAD.encode(&*output)));
        let text = format!("{HEAD}m={memory},t={passes},p=1${salt_text}${}", *hash_text);
        Self { text: Zeroizing::new(text), cost, salt, output }
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > limits::PASSWORD_HASH_BYTES {
            return None;
        }
        let (parameters, rest) = text.strip_prefix(HEAD)?.split_once('$')?;
        let (salt, output) = rest.split_once('$')?;
        let mut parameters = parameters.split(',');
        let mut number = |name: &str| {
            let digits = parameters.next()?.strip_prefix(name)?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain && !digits.starts_with('0'))
        };
        let (memory, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
        if parameters.next().is_some() || lanes != 1 {
            return None;
        }
        Some(Self {
            text: Zeroizing::new(text.to_owned()),
            cost: Cost::of_hash(memory, passes)?,
            salt: *decode(salt)?,
            output: decode(output)?,
        })
    }
}

fn compute(
    password: &Password,
    cost: Cost,
    salt: &[u8; SALT_BYTES],
    memory: &mut [Block],
) -> Result<Zeroizing<[u8; OUTPUT_BYTES]>, HashFault> {
    let params = Params::new(cost.memory_kib(), cost.passes(), 1, Some(OUTPUT_BYTES))
        .map_err(|_| HashFault::Malformed)?;
    let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.expose(), salt, output.as_mut(), memory)
        .map_err(|_| HashFault::Memory)?;
    Ok(output)
}

/// Blocks of a KiB. Without an answer from the system there is an error, and no abort.
fn memory(cost: Cost) -> Result<Vec<Block>, HashFault> {
    let blocks = usize::try_from(cost.memory_kib()).map_err(|_| HashFault::Memory)?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks).map_err(|_| HashFault::Memory)?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

fn random<const N: usize>() -> Result<[u8; N], HashFault> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| HashFault::Random)?;
    Ok(bytes)
}

fn decode<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    if BASE64_NOPAD.decode_len(text.len()).ok()? != N {
        return None;
    }
    BASE64_NOPAD.decode_mut(text.as_bytes(), bytes.as_mut()).ok()?;
    Some(bytes)
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text: _, cost, salt: _, output: _ } = self;
        f.debug_struct("PasswordHash").field("cost", cost).finish_non_exhaustive()
    }
}

impl fmt::Display for HashFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a hash of a password that can be used here",
            Self::Memory => "not enough memory to hash a password",
            Self::Random => "the system has no randomness",
        })
    }
}

impl core::error::Error for HashFault {}

//! Which RSA public keys are fit for use.

use crate::limits;

/// Refuses what an RSA public key must not be; `n` and `e` are big-endian.
///
/// aws-lc would refuse most of it too, but only when a signature is checked, where it would look
/// like a forged token. An even or tiny exponent makes forging trivial (`e` = 1 signs everything).
pub(crate) fn check(n: &[u8], e: &[u8]) -> Result<(), String> {
    let (Some(first), Some(last)) = (n.first(), n.last()) else {
        return Err("n is empty".to_owned());
    };
    if *first == 0 {
        return Err("n has leading zeros".to_owned());
    }
    let bits = n
        .len()
        .saturating_mul(8)
        .saturating_sub(usize::try_from(first.leading_zeros()).unwrap_or(8));
    if bits < limits::RSA_BITS_MIN {
        return Err(format!("an RSA key of {bits} bits; {} is the least", limits::RSA_BITS_MIN));
    }
    if bits > limits::RSA_BITS_MAX {
        return Err(format!("an RSA key of {bits} bits; {} is the most", limits::RSA_BITS_MAX));
    }
    if last & 1 == 0 {
        return Err("n is even".to_owned());
    }
    match e {
        [] | [0, ..] => return Err("e is empty or has leading zeros".to_owned()),
        [1] => return Err("e is 1".to_owned()),
        [.., last] if last & 1 == 0 => return Err("e is even".to_owned()),
        e if e.len() > limits::RSA_EXPONENT_BYTES => return Err("e is too long".to_owned()),
        [_, ..] => {}
    }
    if is_from_infineon_generator(n) {
        return Err("made by a faulty generator (ROCA, CVE-2017-15361): replace the key".to_owned());
    }
    Ok(())
}

/// The fingerprint of CVE-2017-15361 (Nemec et al., "The Return of Coppersmith's Attack", section
/// 5.2): the primes of such keys, and so their product, are powers of 65537 modulo every small
/// prime. Another key has that property by chance once in about 2^27.
fn is_from_infineon_generator(n: &[u8]) -> bool {
    const GENERATOR: u32 = 65537;
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.into_iter().all(|prime| {
        let rest = n.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let step = GENERATOR % prime;
        let powers = core::iter::successors(Some(1), |power| Some(power * step % prime));
        powers.take(usize::try_from(prime).unwrap_or(0)).any(|power| power == rest)
    })
}

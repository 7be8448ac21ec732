//! Detection of RSA keys of a faulty generator (CVE-2017-15361, "ROCA"), whose private keys can be computed.
//!
//! That generator's primes are powers of 65537 modulo every small prime, and so is their product. A sound modulus has this
//! property once in some hundred million.

/// The small primes used for detection: 65537 generates only part of their residues.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// The base of the powers that the faulty generator uses.
const GENERATOR: u32 = 65_537;

/// Returns whether `modulus`, the greatest octet first, came from the faulty generator.
pub(super) fn is_roca(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let residue = modulus.iter().fold(0, |rest, &octet| (rest * 256 + u32::from(octet)) % prime);
        is_power(residue, prime)
    })
}

fn is_power(residue: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * (GENERATOR % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_distinguished_from_other_residues() {
        assert!(is_power(1, 11) && is_power(10, 11)); // 65537 is 10 modulo 11
        assert!((2..10).all(|residue| !is_power(residue, 11)) && !is_power(0, 11));
    }

    #[test]
    fn s2_10_sound_moduli_are_not_suspected() {
        let power = (0..64).fold(1_u128, |power, _| power * u128::from(GENERATOR) % 340_282_366_920_938_463_463);
        assert!(!is_roca(&power.to_be_bytes()) && !is_roca(&[0xff; 256]));
        assert!(is_roca(&(u64::from(GENERATOR) * u64::from(GENERATOR)).to_be_bytes()));
    }
}

//! Hashes of secrets and texts.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use countersign::secret::Secret;

use crate::encoding;
use crate::exit::Failure;

/// Memory in KiB, passes, lanes: OWASP's first recommendation, and the issuer's setting for client secrets.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// Maximum memory, in KiB, and passes of a hash to check.
const MAX_COST: (u32, u32) = (256 * 1024, 16);

/// Maximum cost of a bcrypt hash to check: 2^15 rounds take seconds.
const MAX_BCRYPT_COST: u32 = 15;

/// The Argon2id hash of `secret` as a PHC string.
pub(crate) fn argon2id(secret: &Secret<String>) -> Result<String, Failure> {
    let failed = || Failure::usage("the secret could not be hashed");
    let params = Params::new(COST.0, COST.1, COST.2, None).map_err(|_| failed())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = uuid::Uuid::new_v4().into_bytes();
    let hash: PasswordHash = argon2.hash_password_with_salt(secret.expose().as_bytes(), &salt).map_err(|_| failed())?;
    Ok(hash.to_string())
}

/// Returns whether `secret` matches `stored`, an Argon2 PHC string or a bcrypt hash.
pub(crate) fn is_hash_of(stored: &str, secret: &Secret<String>) -> Result<bool, Failure> {
    let stored = stored.trim();
    if stored.starts_with("$2") {
        let cost = stored.split('$').nth(2).and_then(|cost| cost.parse::<u32>().ok());
        if cost.is_none_or(|cost| cost > MAX_BCRYPT_COST) {
            return Err(Failure::usage(format!("the bcrypt hash must have a cost of at most {MAX_BCRYPT_COST}")));
        }
        return bcrypt::verify(secret.expose(), stored).map_err(|_| Failure::usage("not a complete bcrypt hash"));
    }
    let not_known = || Failure::usage("neither an Argon2 PHC string ($argon2id$…) nor a bcrypt hash ($2b$…)");
    let hash = PasswordHash::new(stored).map_err(|_| not_known())?;
    let params = Params::try_from(&hash).map_err(|_| not_known())?;
    if params.m_cost() > MAX_COST.0 || params.t_cost() > MAX_COST.1 {
        return Err(Failure::usage("the hash requires more than 256 MiB or 16 passes"));
    }
    Ok(Argon2::default().verify_password(secret.expose().as_bytes(), &hash).is_ok())
}

/// SHA-256 in hex.
pub(crate) fn sha256(text: &str) -> String {
    encoding::hex(&countersign_core::integration::sha256(text), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_only_its_secret() {
        let secret = Secret::from("quaint-heron");
        let stored = argon2id(&secret).expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is_hash_of(&stored, &secret).expect("a hash"));
        assert!(!is_hash_of(&stored, &Secret::from("quaint-crane")).expect("a hash"));
    }

    /// From the OpenBSD test vectors of bcrypt, as published with the Openwall implementation.
    #[test]
    fn a_published_bcrypt_hash_is_checked() {
        let stored = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        assert!(is_hash_of(stored, &Secret::from("U*U")).expect("a hash"));
        assert!(!is_hash_of(stored, &Secret::from("U*V")).expect("a hash"));
        for odd in ["", "plain", "$2b$", "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"] {
            assert!(is_hash_of(odd, &Secret::from("x")).is_err(), "{odd}");
        }
    }

    #[test]
    fn sha256_is_the_published_one() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

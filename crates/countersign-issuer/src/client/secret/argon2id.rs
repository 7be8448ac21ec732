//! Argon2id hashes as PHC strings.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

/// The memory of a new hash, in KiB (OWASP: 19 MiB with two passes).
const MEMORY_KIB: u32 = 19_456;

/// The passes of a new hash.
const PASSES: u32 = 2;

/// The lanes of a new hash.
const LANES: u32 = 1;

/// The length of a salt, in bytes.
pub(super) const SALT_BYTES: usize = 16;

/// OWASP's equivalents of 19 MiB and two passes, as memory in KiB and passes. A weaker hash is refused.
const FLOORS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// The most memory of an accepted hash, in KiB; a larger one could exhaust the machine.
const MAX_MEMORY_KIB: u32 = 256 * 1024;

/// The most passes of an accepted hash.
const MAX_PASSES: u32 = 16;

/// The hash that a secret of an unknown client is compared with: full cost, and no secret matches it.
pub(in crate::client) const DUMMY: &str =
    concat!("$argon2id$v=19$m=19456,t=2,p=1$bm8gY2xpZW50IGhhcyBpdA", "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

/// Hashes a secret with a random salt.
pub(super) fn hash(secret: &Secret<String>) -> Result<Box<str>, ConfigError> {
    let failed = || ConfigError::new("secret", "could not be hashed");
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| failed())?;
    let hash: PasswordHash = argon2id()
        .and_then(|argon2| argon2.hash_password_with_salt(secret.expose().as_bytes(), &salt).ok())
        .ok_or_else(failed)?;
    Ok(hash.to_string().into())
}

/// Refuses anything but an Argon2id PHC string with a cost within bounds.
pub(super) fn check_form(stored: &str) -> Result<(), ConfigError> {
    const BAD: &str = "not an Argon2id PHC string, a bcrypt hash or a keyed hash of this issuer";
    const WEAK: &str =
        "Argon2id weaker than m=19456,t=2,p=1 or an equivalent, or above 256 MiB or 16 passes; hash it again";
    let bad = || ConfigError::new("secret", BAD);
    let hash = PasswordHash::new(stored).map_err(|_| bad())?;
    let params = Params::try_from(&hash).map_err(|_| bad())?;
    let is_argon2id = hash.algorithm.as_str() == "argon2id" && hash.version == Some(u32::from(Version::V0x13));
    let is_whole =
        hash.salt.is_some_and(|salt| salt.len() >= SALT_BYTES) && hash.hash.is_some_and(|hash| hash.len() >= 32);
    if !is_argon2id || !is_whole {
        return Err(bad());
    }
    let (memory, passes) = (params.m_cost(), params.t_cost());
    let is_strong = FLOORS.iter().any(|floor| memory >= floor.0 && passes >= floor.1);
    if !is_strong || memory > MAX_MEMORY_KIB || passes > MAX_PASSES || params.p_cost() > 4 {
        return Err(ConfigError::new("secret", WEAK));
    }
    Ok(())
}

pub(super) fn is_hash_of(stored: &str, secret: &Secret<String>) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else { return false };
    argon2id().is_some_and(|argon2| argon2.verify_password(secret.expose().as_bytes(), &hash).is_ok())
}

/// Returns whether the hash costs less than a new one.
pub(super) fn is_outdated(stored: &str) -> bool {
    let params = PasswordHash::new(stored).ok().and_then(|hash| Params::try_from(&hash).ok());
    params.is_some_and(|params| params.m_cost().saturating_mul(params.t_cost()) < MEMORY_KIB * PASSES)
}

fn argon2id() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

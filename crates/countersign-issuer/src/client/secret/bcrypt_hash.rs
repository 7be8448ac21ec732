//! bcrypt hashes of older systems.

use countersign_core::secret::Secret;

/// The accepted costs, as powers of two: from OWASP's floor to about a second.
pub(super) const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 10..=14;

/// The bytes of a secret that bcrypt reads; it ignores the rest.
const BCRYPT_READS: usize = 72;

/// The cost of a bcrypt hash: version, cost, 22 characters of salt and 31 of hash. `None` for any other text.
pub(super) fn cost(stored: &str) -> Option<u32> {
    let (cost, rest) =
        ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| stored.strip_prefix(version))?.split_once('$')?;
    let is_whole = rest.len() == 53 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    (is_whole && cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit())).then(|| cost.parse().ok()).flatten()
}

/// Compares at full cost. Refuses a secret that bcrypt would truncate: over 72 bytes, or with a NUL.
pub(super) fn is_hash_of(stored: &str, secret: &Secret<String>) -> bool {
    let is_whole = secret.expose().len() <= BCRYPT_READS && !secret.expose().contains('\0');
    let compared = if is_whole { secret.expose().as_str() } else { "" }; // at the same cost
    bcrypt::verify(compared, stored).unwrap_or(false) && is_whole
}

/// A hash of this cost that no secret matches.
pub(in crate::client) fn dummy(cost: u32) -> String {
    format!("$2b${cost:02}${}", ".".repeat(53))
}

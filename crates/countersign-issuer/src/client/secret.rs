//! Secrets at rest: Argon2id for what a person may have chosen, a keyed hash for what we generated under a pepper.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::hmac;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

/// Memory of an Argon2id hash, in KiB (OWASP: 19 MiB with two passes).
const MEMORY_KIB: u32 = 19_456;

/// Passes of an Argon2id hash.
const PASSES: u32 = 2;

/// Lanes of an Argon2id hash.
const LANES: u32 = 1;

/// Bytes of randomness in a generated secret.
const SECRET_BYTES: usize = 32;

/// Bytes of a salt.
const SALT_BYTES: usize = 16;

/// The shortest secret taken from a person, in bytes.
const MIN_CHOSEN_BYTES: usize = 16;

/// The shortest pepper, in bytes: as long as the hash.
const MIN_PEPPER_BYTES: usize = 32;

/// What a generated secret begins with where it is kept as Argon2id, so that scanners of repositories find leaked ones.
const GENERATED_TAG: &str = "csgn_";

/// What it begins with where it is kept under a pepper.
pub(super) const KEYED_TAG: &str = "csgnk_";

/// What a stored keyed hash begins with.
const KEYED_STORED: &str = "$hmac-sha256$";

/// Weaker parameters than OWASP's equivalents of 19 MiB and two passes: (memory in KiB, passes).
const FLOORS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// The most memory that a stored hash may ask for, in KiB; else a bad line of configuration would exhaust the machine.
const MAX_MEMORY_KIB: u32 = 256 * 1024;

/// The most passes that a stored hash may ask for.
const MAX_PASSES: u32 = 16;

/// The cheapest and the dearest bcrypt hash taken, as powers of two: OWASP's floor, and about a second.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 10..=14;

/// What bcrypt reads of a secret, in bytes; it ignores the rest.
const BCRYPT_READS: usize = 72;

/// What the secret of a client that does not exist is compared with: the cost of a real hash, and the hash of nothing.
pub(super) const DUMMY: &str =
    concat!("$argon2id$v=19$m=19456,t=2,p=1$bm8gY2xpZW50IGhhcyBpdA", "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

/// A client secret as it is stored: nothing that the secret can be read from.
///
/// [`Display`](fmt::Display) writes the stored form, for configuration; `Debug` hides even that.
///
/// ```
/// use countersign_issuer::SecretHash;
///
/// let (shown_once, stored) = SecretHash::generate()?;
/// assert!(shown_once.expose().starts_with("csgn_"));
/// assert!(stored.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// assert!(SecretHash::parse(&stored.to_string()).is_ok());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct SecretHash(Stored);

#[derive(Clone, PartialEq, Eq)]
enum Stored {
    /// A PHC string, checked.
    Argon2id(Box<str>),
    /// Of an older system; upgraded when its secret is next used.
    Bcrypt(Box<str>),
    Keyed([u8; 32]),
}

impl SecretHash {
    /// A new secret of 256 random bits, to be shown once, and what to store of it: its Argon2id hash.
    ///
    /// # Errors
    /// `ConfigError` where the system has no randomness to give.
    pub fn generate() -> Result<(Secret<String>, Self), ConfigError> {
        let secret = random_secret(GENERATED_TAG)?;
        let stored = Self::hashed(&secret)?;
        Ok((secret, stored))
    }

    /// As [`generate`](Self::generate), but stored as HMAC-SHA-256 under `pepper`: a check costs next to nothing, and 256
    /// random bits need no slow hash. Give the same pepper to the issuer's builder.
    ///
    /// # Errors
    /// `ConfigError` where the pepper has fewer than 32 bytes.
    pub fn generate_keyed(pepper: &Secret<Vec<u8>>) -> Result<(Secret<String>, Self), ConfigError> {
        let key = pepper_key(pepper)?;
        let secret = random_secret(KEYED_TAG)?;
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&key, secret.expose().as_bytes()).as_ref());
        Ok((secret, SecretHash(Stored::Keyed(digest))))
    }

    /// The Argon2id hash of a secret that somebody chose: 16 bytes at least, and no word of a tutorial.
    ///
    /// # Errors
    /// `ConfigError` where it is shorter or well known.
    pub fn of(secret: &Secret<String>) -> Result<Self, ConfigError> {
        if secret.expose().len() < MIN_CHOSEN_BYTES || is_well_known(secret.expose()) {
            return Err(ConfigError::new("secret", "shorter than 16 bytes, or well known; have one generated"));
        }
        Self::hashed(secret)
    }

    /// Reads the stored form. A bcrypt hash of an older system (`$2a$`, `$2b$` or `$2y$`, cost 10 to 14) is taken too: the
    /// issuer's store keeps its Argon2id successor from the first use on. Of such a secret 72 bytes count at most; a
    /// longer one is refused, since bcrypt would not read its end.
    ///
    /// # Errors
    /// `ConfigError` where it is no Argon2id PHC string of enough cost, no such bcrypt hash and no keyed hash of ours.
    pub fn parse(stored: &str) -> Result<Self, ConfigError> {
        const BAD: &str = "no Argon2id PHC string, no bcrypt hash and no keyed hash of this issuer";
        const WEAK: &str = "Argon2id weaker than m=19456,t=2,p=1 and its equals, or costlier than 256 MiB or 16 passes";
        let bad = || ConfigError::new("secret", BAD);
        if let Some(encoded) = stored.strip_prefix(KEYED_STORED) {
            let digest = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(encoded).map_err(|_| bad())?;
            return Ok(SecretHash(Stored::Keyed(digest.try_into().map_err(|_| bad())?)));
        }
        if let Some(cost) = bcrypt_cost(stored) {
            let fits = BCRYPT_COSTS.contains(&cost);
            let weak = || ConfigError::new("secret", "a bcrypt hash of a cost below 10 or above 14");
            return if fits { Ok(SecretHash(Stored::Bcrypt(stored.into()))) } else { Err(weak()) };
        }
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
        Ok(SecretHash(Stored::Argon2id(stored.into())))
    }

    fn hashed(secret: &Secret<String>) -> Result<Self, ConfigError> {
        let failed = || ConfigError::new("secret", "could not be hashed");
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| failed())?;
        let hash: PasswordHash = argon2id()
            .and_then(|argon2| argon2.hash_password_with_salt(secret.expose().as_bytes(), &salt).ok())
            .ok_or_else(failed)?;
        Ok(SecretHash(Stored::Argon2id(hash.to_string().into())))
    }

    /// The stored text, where a check of it is slow.
    pub(super) fn slow(&self) -> Option<&str> {
        match &self.0 {
            Stored::Argon2id(text) | Stored::Bcrypt(text) => Some(text),
            Stored::Keyed(_) => None,
        }
    }

    /// The cost, where it is bcrypt.
    pub(super) fn bcrypt_cost(&self) -> Option<u32> {
        match &self.0 {
            Stored::Bcrypt(text) => bcrypt_cost(text),
            _ => None,
        }
    }

    /// The keyed hash, where it is one.
    pub(super) fn keyed(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Stored::Argon2id(_) | Stored::Bcrypt(_) => None,
            Stored::Keyed(digest) => Some(digest),
        }
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stored::Argon2id(text) | Stored::Bcrypt(text) => f.write_str(text),
            Stored::Keyed(digest) => {
                write!(f, "{KEYED_STORED}{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest))
            }
        }
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([hidden])")
    }
}

/// What came of a slow check.
pub(super) struct Checked {
    pub(super) is_right: bool,
    /// What to store in place of a hash that is weaker than those made today.
    pub(super) upgraded: Option<SecretHash>,
}

/// Compares `secret` with the slow hash in `stored`. Takes 19 MiB and some tens of milliseconds: never on an async worker.
///
/// Where `bcrypt_dummy` is given, some clients have bcrypt hashes: then each check makes one of either kind, so that its
/// time does not tell which client has which, or exists.
pub(super) fn check_slowly(stored: &str, bcrypt_dummy: Option<&str>, secret: &Secret<String>) -> Checked {
    let is_bcrypt = bcrypt_cost(stored).is_some();
    let (by_argon2id, by_bcrypt) = match is_bcrypt {
        true => (is_argon2id_of(DUMMY, secret), is_bcrypt_of(stored, secret)),
        false => (is_argon2id_of(stored, secret), bcrypt_dummy.is_some_and(|dummy| is_bcrypt_of(dummy, secret))),
    };
    let is_right = if is_bcrypt { by_bcrypt } else { by_argon2id };
    let upgraded = (is_right && (is_bcrypt || is_outdated(stored))).then(|| SecretHash::hashed(secret).ok()).flatten();
    Checked { is_right, upgraded }
}

/// A hash of this cost that no secret has.
pub(super) fn bcrypt_dummy(cost: u32) -> String {
    format!("$2b${cost:02}${}", ".".repeat(53))
}

fn is_argon2id_of(phc: &str, secret: &Secret<String>) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else { return false };
    argon2id().is_some_and(|argon2| argon2.verify_password(secret.expose().as_bytes(), &hash).is_ok())
}

/// Refuses what bcrypt would read in part: an end past 72 bytes, or past a NUL (S8.03).
fn is_bcrypt_of(stored: &str, secret: &Secret<String>) -> bool {
    let is_whole = secret.expose().len() <= BCRYPT_READS && !secret.expose().contains('\0');
    let read = if is_whole { secret.expose().as_str() } else { "" }; // at the same cost
    bcrypt::verify(read, stored).unwrap_or(false) && is_whole
}

/// Whether it cost less than one made today.
fn is_outdated(phc: &str) -> bool {
    let params = PasswordHash::new(phc).ok().and_then(|hash| Params::try_from(&hash).ok());
    params.is_some_and(|params| params.m_cost().saturating_mul(params.t_cost()) < MEMORY_KIB * PASSES)
}

/// The cost, where `stored` has the form of a bcrypt hash: version, cost, 22 characters of salt and 31 of hash.
fn bcrypt_cost(stored: &str) -> Option<u32> {
    let (cost, rest) =
        ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| stored.strip_prefix(version))?.split_once('$')?;
    let is_whole = rest.len() == 53 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    (is_whole && cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit())).then(|| cost.parse().ok()).flatten()
}

/// The key behind a pepper.
pub(crate) fn pepper_key(pepper: &Secret<Vec<u8>>) -> Result<hmac::Key, ConfigError> {
    if pepper.expose().len() < MIN_PEPPER_BYTES {
        return Err(ConfigError::new("pepper", "shorter than 32 bytes; take 32 random ones"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, pepper.expose()))
}

fn argon2id() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn random_secret(tag: &str) -> Result<Secret<String>, ConfigError> {
    let mut random = zeroize::Zeroizing::new([0; SECRET_BYTES]);
    aws_lc_rs::rand::fill(&mut random[..]).map_err(|_| ConfigError::new("secret", "no randomness to be had"))?;
    let encoded = Secret::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&random[..]));
    Ok(Secret::new(format!("{tag}{}", encoded.expose())))
}

/// Secrets of tutorials and of test set-ups, and those of one character.
fn is_well_known(secret: &str) -> bool {
    const WORDS: [&str; 8] =
        ["changeme", "change-me", "change_me", "password", "demo-secret", "my-secret", "client-secret", "your-secret"];
    let lower = secret.to_ascii_lowercase();
    let mut characters = secret.chars();
    let first = characters.next();
    WORDS.iter().any(|word| lower.starts_with(word)) || characters.all(|character| Some(character) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_01_stored_hashes_have_the_floors_and_weaker_ones_are_refused() {
        let (secret, stored) = SecretHash::generate().expect("randomness");
        let text = stored.to_string();
        let hash = PasswordHash::new(&text).expect("a PHC string");
        let params = Params::try_from(&hash).expect("parameters");
        assert!(params.m_cost() >= 19_456 && params.t_cost() >= 2 && params.p_cost() == 1);
        assert_eq!(hash.salt.expect("a salt").len(), 16);
        assert!(is_argon2id_of(&text, &secret));
        assert!(!is_argon2id_of(&text, &Secret::from("another secret of some length")));

        for weak in ["m=4096,t=2", "m=19456,t=1", "m=7168,t=4", "m=524288,t=2", "m=19456,t=17"] {
            let error = SecretHash::parse(&text.replace("m=19456,t=2", weak)).expect_err(weak);
            assert_eq!(error.faults()[0].field, "secret", "{weak}");
        }
        for fine in ["m=47104,t=1", "m=12288,t=3", "m=65536,t=3"] {
            assert!(SecretHash::parse(&text.replace("m=19456,t=2", fine)).is_ok(), "{fine}");
        }
        for other in ["argon2i", "argon2d", "pbkdf2"] {
            assert!(SecretHash::parse(&text.replace("argon2id", other)).is_err(), "{other}");
        }
        for other in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1", "$hmac-sha256$AAAA"] {
            assert!(SecretHash::parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn s8_02_generated_secrets_have_256_bits_and_a_tag_and_are_kept_under_the_pepper() {
        let pepper = Secret::new(vec![7; 32]);
        let (secret, stored) = SecretHash::generate_keyed(&pepper).expect("randomness");
        let random = secret.expose().strip_prefix(KEYED_TAG).expect("the tag");
        assert_eq!(base64_simd::URL_SAFE_NO_PAD.decode_to_vec(random).expect("base64url").len(), 32);
        let plain = countersign_core::secret::sha256(secret.expose());
        assert_ne!(stored.keyed().expect("keyed"), &plain, "no plain SHA-256");
        assert_eq!(SecretHash::parse(&stored.to_string()), Ok(stored));
        assert!(SecretHash::generate_keyed(&Secret::new(vec![7; 31])).is_err());
    }

    #[test]
    fn s8_03_a_bcrypt_hash_of_another_system_is_taken_and_what_it_would_cut_is_refused() {
        // A vector of jBCrypt.
        let stored = "$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq";
        assert!(SecretHash::parse(stored).is_ok());
        let right = check_slowly(stored, None, &Secret::from("abcdefghijklmnopqrstuvwxyz"));
        let upgraded = right.upgraded.expect("Argon2id in its place").to_string();
        assert!(right.is_right && upgraded.starts_with("$argon2id$"));
        assert!(check_slowly(&upgraded, Some(&bcrypt_dummy(10)), &Secret::from("abcdefghijklmnopqrstuvwxyz")).is_right);
        for wrong in ["abcdefghijklmnopqrstuvwxy", "", "abcdefghijklmnopqrstuvwxyz\0"] {
            assert!(!check_slowly(stored, None, &Secret::from(wrong)).is_right, "{wrong:?}");
        }
        let long = "a".repeat(72);
        let stored = bcrypt::hash(&long, 10).expect("hashed");
        assert!(check_slowly(&stored, None, &Secret::from(long.as_str())).is_right);
        for cut in ["b", "c"] {
            assert!(!check_slowly(&stored, None, &Secret::from(format!("{long}{cut}"))).is_right, "past 72 bytes");
        }
        assert!(!check_slowly(&bcrypt_dummy(10), None, &Secret::from("")).is_right);
        for bad in [
            stored.replace("$10$", "$09$"),
            stored.replace("$10$", "$15$"),
            stored.replace("$2b$", "$2x$"),
            stored[1..].into(),
        ] {
            assert!(SecretHash::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn s8_01_a_cheaper_hash_is_upgraded_when_its_secret_is_used_and_an_equal_one_is_not() {
        let secret = Secret::from("quaint-heron-lifts-49");
        let params = Params::new(7_168, 5, 1, None).expect("parameters");
        let cheaper: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(secret.expose().as_bytes(), &[7; SALT_BYTES])
            .expect("hashed");
        let checked = check_slowly(&cheaper.to_string(), None, &secret);
        assert!(checked.upgraded.is_some_and(|upgraded| upgraded.to_string().contains("m=19456,t=2,p=1")));
        assert!(check_slowly(&cheaper.to_string(), None, &Secret::from("another")).upgraded.is_none());
        let (secret, stored) = SecretHash::generate().expect("a secret");
        assert!(check_slowly(&stored.to_string(), None, &secret).upgraded.is_none());
    }

    #[test]
    fn s8_04_the_dummy_is_a_hash_of_full_cost_that_no_secret_has() {
        assert!(SecretHash::parse(DUMMY).is_ok());
        assert!(!is_argon2id_of(DUMMY, &Secret::from("")));
    }

    #[test]
    fn s8_13_demo_secrets_are_refused() {
        for demo in ["secret", "", "changeme-changeme", "PasswordPassword1", "aaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(SecretHash::of(&Secret::from(demo)).is_err(), "{demo}");
        }
        assert!(SecretHash::of(&Secret::from("quaint-heron-lifts-49")).is_ok());
    }

    #[test]
    fn neither_form_shows_the_secret() {
        let (secret, stored) = SecretHash::generate().expect("randomness");
        assert_eq!(format!("{stored:?}"), "SecretHash([hidden])");
        assert!(!stored.to_string().contains(secret.expose().trim_start_matches(GENERATED_TAG)));
    }
}

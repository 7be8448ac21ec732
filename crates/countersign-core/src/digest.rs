//! Digests for sibling crates, which compare secrets without storing them.

use std::fmt;
use std::hash::Hasher;

use aws_lc_rs::{digest, rand};
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher24};

/// The SHA-256 of a text: tells secrets apart without storing them.
///
/// ```
/// use countersign_core::integration::sha256;
///
/// assert_eq!(sha256("hunter2"), sha256("hunter2"));
/// assert_ne!(sha256("hunter2"), sha256("hunter3"));
/// ```
#[must_use]
pub fn sha256(text: &str) -> [u8; 32] {
    sha256_of(text.as_bytes())
}

/// The SHA-256 of bytes that are no text.
///
/// ```
/// use countersign_core::integration::{sha256, sha256_of};
///
/// assert_eq!(sha256_of(b"hunter2"), sha256("hunter2"));
/// ```
#[must_use]
pub fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// The random key of [`KeyedDigest`]s, new in each process.
#[derive(Clone)]
pub struct DigestKey([u8; 16]);

/// The SipHash-2-4-128 of a credential under a random key: finds the credential in a table without keeping it there. Nobody
/// without the key finds two credentials of one digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyedDigest([u64; 2]);

impl DigestKey {
    /// A key of the system's generator.
    ///
    /// ```
    /// use countersign_core::integration::DigestKey;
    ///
    /// let key = DigestKey::random();
    /// assert!(key.digest("a") == key.digest("a") && key.digest("a") != key.digest("b"));
    /// assert!(key.digest("a") != DigestKey::random().digest("a"));
    /// ```
    #[must_use]
    pub fn random() -> Self {
        let mut key = [0; 16];
        if rand::fill(&mut key).is_err() {
            // The generator of the standard library, which has a source of its own.
            let halves = [0, 1].map(|half| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), half));
            key[..8].copy_from_slice(&halves[0].to_ne_bytes());
            key[8..].copy_from_slice(&halves[1].to_ne_bytes());
        }
        DigestKey(key)
    }

    /// The digest of `text`.
    #[must_use]
    #[inline]
    pub fn digest(&self, text: &str) -> KeyedDigest {
        self.digest_parts(&[text.as_bytes()])
    }

    /// The digest of these bytes, one after the other; the bounds of the parts do not count.
    ///
    /// ```
    /// use countersign_core::integration::DigestKey;
    ///
    /// let key = DigestKey::random();
    /// assert!(key.digest_parts(&[b"a", b"b"]) == key.digest("ab"));
    /// ```
    #[must_use]
    #[inline]
    pub fn digest_parts(&self, parts: &[&[u8]]) -> KeyedDigest {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        parts.iter().for_each(|part| hasher.write(part));
        let hash = hasher.finish128();
        KeyedDigest([hash.h1, hash.h2])
    }

    /// A shorter digest of these bytes, for a table in which a collision grants nothing: SipHash-1-3, as in the tables of the
    /// standard library. It takes half of the time.
    ///
    /// ```
    /// use countersign_core::integration::DigestKey;
    ///
    /// let key = DigestKey::random();
    /// assert_eq!(key.short_digest(&[b"a", b"b"]), key.short_digest(&[b"ab"]));
    /// assert_ne!(key.short_digest(&[b"a"]), key.short_digest(&[b"b"]));
    /// ```
    #[must_use]
    #[inline]
    pub fn short_digest(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish()
    }
}

/// Hides the key.
impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey([hidden])")
    }
}

/// The digest names one credential of the process: it is not shown.
impl fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedDigest([hidden])")
    }
}

impl KeyedDigest {
    /// One half of it, for a table in which the whole is compared.
    #[inline]
    pub(crate) const fn low(self) -> u64 {
        let KeyedDigest([_, second]) = self;
        second
    }

    /// The digest as a number, for tables.
    ///
    /// ```
    /// use countersign_core::integration::DigestKey;
    ///
    /// let key = DigestKey::random();
    /// assert_ne!(key.digest("a").to_number(), key.digest("b").to_number());
    /// ```
    #[must_use]
    #[inline]
    pub const fn to_number(self) -> u128 {
        let KeyedDigest([first, second]) = self;
        (first as u128) << 64 | second as u128
    }

    /// The halves of the digest, for tables that keep a part of it.
    #[must_use]
    #[inline]
    pub const fn to_words(self) -> [u64; 2] {
        self.0
    }

    /// The digest as text, for queues by names.
    #[must_use]
    pub fn to_name(self) -> String {
        let KeyedDigest([first, second]) = self;
        format!("{first:016x}{second:016x}")
    }
}

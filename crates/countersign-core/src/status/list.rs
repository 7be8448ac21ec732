//! The statuses of many tokens in one array.

use std::fmt;

use miniz_oxide::deflate::compress_to_vec_zlib;

use super::inflate::{NotInflated, inflate};
use crate::error::{ConfigError, VerifyError, VerifyErrorKind as Kind};

/// The longest list after decompression, in bytes: eight million tokens of one bit, one million of eight.
pub const MAX_STATUS_LIST_BYTES: usize = 1024 * 1024;

/// The highest level of compression.
const COMPRESSION_LEVEL: u8 = 9;

/// The statuses of many tokens, one to eight bits each (draft-ietf-oauth-status-list-21 §4).
///
/// Statuses are packed into bytes from the lowest bit to the highest.
///
/// ```
/// use countersign_core::status::{ListedStatus, StatusList};
///
/// let mut list = StatusList::new(2, 1_000)?;
/// assert!(list.set(7, 1) && list.set(8, 2));
/// assert_eq!(list.status(7), Some(ListedStatus::Invalid));
/// assert_eq!(list.status(8), Some(ListedStatus::Suspended));
/// assert_eq!(list.status(9), Some(ListedStatus::Valid));
/// assert_eq!(list.status(1_000), None);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    bytes: Box<[u8]>,
}

/// A status in a list (draft-ietf-oauth-status-list-21 §7.1). Only `Valid` permits the use of the token.
///
/// ```
/// use countersign_core::status::ListedStatus;
///
/// assert_eq!(ListedStatus::from(0), ListedStatus::Valid);
/// assert_eq!(ListedStatus::from(3), ListedStatus::Other(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListedStatus {
    /// 0: the token is valid.
    Valid,
    /// 1: the token was revoked.
    Invalid,
    /// 2: the token is not valid for now.
    Suspended,
    /// A status that only the application knows, or that was registered later.
    Other(u8),
}

impl From<u8> for ListedStatus {
    fn from(value: u8) -> Self {
        match value {
            0 => ListedStatus::Valid,
            1 => ListedStatus::Invalid,
            2 => ListedStatus::Suspended,
            other => ListedStatus::Other(other),
        }
    }
}

impl StatusList {
    /// A list of at least `entries` tokens, all valid.
    ///
    /// # Errors
    /// `ConfigError` on field `bits` if it is not 1, 2, 4 or 8, and on `entries` if there are none or the list is longer than
    /// [`MAX_STATUS_LIST_BYTES`].
    pub fn new(bits: u8, entries: u64) -> Result<Self, ConfigError> {
        if !is_possible(bits) {
            return Err(ConfigError::new("bits", "not 1, 2, 4 or 8"));
        }
        let bytes = entries.div_ceil(per_byte(bits));
        let bytes = usize::try_from(bytes).ok().filter(|bytes| (1..=MAX_STATUS_LIST_BYTES).contains(bytes));
        let bytes = bytes.ok_or_else(|| ConfigError::new("entries", "none, or too many for a list of 1 MiB"))?;
        Ok(StatusList { bits, bytes: vec![0; bytes].into() })
    }

    /// Decompresses a list of at most `max_bytes`. Decompression stops at the bound, so that a small input cannot cost more.
    ///
    /// ```
    /// use countersign_core::status::StatusList;
    ///
    /// let list = StatusList::new(1, 1_000_000)?;
    /// let compressed = list.to_compressed();
    /// assert!(compressed.len() < 200);
    /// assert_eq!(StatusList::from_compressed(1, &compressed, 125_000)?, list);
    /// assert!(StatusList::from_compressed(1, &compressed, 124_999).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `malformed` if `bits` is not 1, 2, 4 or 8, or the data is no ZLIB stream (RFC 1950); `too_large` beyond the bound.
    pub fn from_compressed(bits: u8, compressed: &[u8], max_bytes: usize) -> Result<Self, VerifyError> {
        if !is_possible(bits) {
            return Err(VerifyError::new(Kind::Malformed, "bits of the status list is not 1, 2, 4 or 8"));
        }
        let bytes = inflate(compressed, max_bytes).map_err(|reason| match reason {
            NotInflated::TooLarge => VerifyError::new(
                Kind::TooLarge,
                format!("the status list has more than {max_bytes} bytes when it is decompressed"),
            ),
            NotInflated::Malformed => VerifyError::new(Kind::Malformed, "lst is not one ZLIB stream"),
        })?;
        Ok(StatusList { bits, bytes: bytes.into() })
    }

    /// The compressed form, a ZLIB stream.
    #[must_use]
    pub fn to_compressed(&self) -> Vec<u8> {
        compress_to_vec_zlib(&self.bytes, COMPRESSION_LEVEL)
    }

    /// Sets the value of a token. Returns false, and sets nothing, if the index or the value is out of range.
    #[must_use = "false if nothing was set"]
    pub fn set(&mut self, index: u64, value: u8) -> bool {
        let (byte, shift) = place(self.bits, index);
        let mask = mask(self.bits);
        match byte.and_then(|byte| self.bytes.get_mut(byte)) {
            Some(byte) if value <= mask => {
                *byte = *byte & !(mask << shift) | value << shift;
                true
            }
            _ => false,
        }
    }

    /// The status of a token; `None` if the list has no such index.
    #[must_use]
    #[inline]
    pub fn status(&self, index: u64) -> Option<ListedStatus> {
        let (byte, shift) = place(self.bits, index);
        let byte = self.bytes.get(byte?)?;
        Some(ListedStatus::from(byte >> shift & mask(self.bits)))
    }

    /// The number of bits of a token.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The number of indices.
    #[must_use]
    pub fn entries(&self) -> u64 {
        per_byte(self.bits).saturating_mul(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    /// The memory of the statuses, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for StatusList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusList").field("bits", &self.bits).field("entries", &self.entries()).finish()
    }
}

const fn is_possible(bits: u8) -> bool {
    matches!(bits, 1 | 2 | 4 | 8)
}

/// The tokens of a byte.
fn per_byte(bits: u8) -> u64 {
    u64::from(8 / bits)
}

/// The highest value of a token.
const fn mask(bits: u8) -> u8 {
    u8::MAX >> (8 - bits)
}

/// The byte of a token, and the place of its lowest bit there.
#[inline]
fn place(bits: u8, index: u64) -> (Option<usize>, u32) {
    let power = bits.trailing_zeros(); // of a power of two
    let shift = (index << power & 7) as u32;
    (usize::try_from(index >> (3 - power)).ok(), shift)
}

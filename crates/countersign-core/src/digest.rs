//! SHA-256, for sibling crates that compare secrets without storing them.

use aws_lc_rs::digest;

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
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

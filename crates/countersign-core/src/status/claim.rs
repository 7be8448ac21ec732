//! The claim `status` of a token.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::token::{JsonReader, NotJson, Number, Text};

/// The longest address of a list that is read from a token, in bytes.
pub const MAX_STATUS_URI_BYTES: usize = 1024;

/// The nesting permitted below the claim. The reader of all claims has checked it before.
const DEPTH: usize = 32;

/// The place of a token in a status list: the claim `status.status_list`.
///
/// ```
/// use countersign_core::verify::Verified;
///
/// fn place(token: &Verified) -> Option<(&str, u64)> {
///     token.status_reference().map(|place| (place.uri(), place.index()))
/// }
/// # let _ = place;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReference {
    index: u64,
    uri: Box<str>,
    found: FoundList,
}

/// The number of the list in memory that was found by this address, so that the next lookup needs no name; 0 if none was yet.
#[derive(Debug, Default)]
struct FoundList(AtomicU64);

impl StatusReference {
    /// The index of the token in the list (`idx`), from 0 on.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The address of the list (`uri`): of at most 1,024 visible ASCII characters, and not checked otherwise.
    #[must_use]
    pub const fn uri(&self) -> &str {
        &self.uri
    }
}

/// The number that [`remember_list`] stored last; 0 if it never did.
///
/// Whoever numbers lists decides whether the number still stands for the list that the token names.
#[must_use]
#[inline]
pub fn remembered_list(reference: &StatusReference) -> u64 {
    reference.found.0.load(Ordering::Relaxed)
}

/// Stores the number of the list that was found for this token.
#[inline]
pub fn remember_list(reference: &StatusReference, number: u64) {
    reference.found.0.store(number, Ordering::Relaxed);
}

/// Another token's list has to be found again.
impl Clone for FoundList {
    fn clone(&self) -> Self {
        FoundList::default()
    }
}

/// Always equal: the list that was found is no part of the claim.
impl PartialEq for FoundList {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for FoundList {}

/// The claim `status`, as far as it concerns status lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatusClaim {
    Listed(StatusReference),
    /// `status_list` does not have the form of its definition.
    Malformed,
}

impl StatusClaim {
    /// Reads the JSON of `status`; `None` if it does not have the member `status_list`, such as another claim of that name.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let mut reader = JsonReader::new(json);
        if reader.peek() != Some(b'{') {
            return None;
        }
        let mut claim = None;
        let read = reader.members(|reader, name| {
            if reader.text(name) != "status_list" {
                return reader.skip(DEPTH).map(drop);
            }
            let reference = reference(reader)?;
            claim = Some(reference.map_or(StatusClaim::Malformed, StatusClaim::Listed));
            Ok(())
        });
        if read.is_ok() { claim } else { Some(StatusClaim::Malformed) }
    }

    /// The heap memory, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let uri = match self {
            StatusClaim::Listed(reference) => reference.uri.len(),
            StatusClaim::Malformed => 0,
        };
        size_of::<Self>() + uri
    }
}

/// The object `status_list`; `None` if a member is missing or of another form.
fn reference(reader: &mut JsonReader<'_>) -> Result<Option<StatusReference>, NotJson> {
    if reader.peek() != Some(b'{') {
        return reader.skip(DEPTH).map(|_| None);
    }
    let (mut index, mut uri): (Option<u64>, Option<Text>) = (None, None);
    reader.members(|reader, name| {
        match (reader.peek(), reader.text(name)) {
            (Some(b'0'..=b'9'), "idx") => {
                index = match reader.number()? {
                    Number::Whole(index) => Some(index),
                    Number::Other(_) => None,
                };
            }
            (Some(b'"'), "uri") => uri = Some(reader.string()?),
            _ => drop(reader.skip(DEPTH)?),
        }
        Ok(())
    })?;
    let uri = uri.map(|text| reader.text(text)).filter(|uri| is_address(uri));
    Ok(index.zip(uri).map(|(index, uri)| StatusReference { index, uri: uri.into(), found: FoundList::default() }))
}

fn is_address(uri: &str) -> bool {
    !uri.is_empty() && uri.len() <= MAX_STATUS_URI_BYTES && uri.bytes().all(|byte| byte.is_ascii_graphic())
}

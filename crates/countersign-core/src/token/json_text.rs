//! The decoded claims while a token is verified, in a buffer that the thread uses again.

use std::cell::Cell;
use std::ops::Deref;

use super::base64url;

/// The largest buffer that a thread keeps, in bytes: that of the longest token that can be configured.
const MAX_KEPT: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The decoded claims as text. They are dropped after the verification, so their memory serves the next token.
#[derive(Debug, Default)]
pub(crate) struct JsonText(String);

/// The reason why a segment is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotText {
    NotBase64url,
    NotUtf8,
}

impl JsonText {
    /// Decodes a segment.
    pub(super) fn decode(segment: &str) -> Result<Self, NotText> {
        let mut buffer = BUFFER.take();
        match base64url::decode_over(segment, &mut buffer) {
            true => Self::from_bytes(buffer),
            false => {
                give_back(buffer);
                Err(NotText::NotBase64url)
            }
        }
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, NotText> {
        String::from_utf8(bytes).map(JsonText).map_err(|error| {
            give_back(error.into_bytes());
            NotText::NotUtf8
        })
    }
}

impl Deref for JsonText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for JsonText {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.0).into_bytes());
    }
}

/// Keeps a buffer for the next token of this thread.
fn give_back(buffer: Vec<u8>) {
    if (1..=MAX_KEPT).contains(&buffer.capacity()) {
        // A thread that ends has no place for it any more.
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_only_the_text_decoded_last() {
        for text in ["a longer text first", "short", "", "é and more"] {
            let segment = base64url::encode(text.as_bytes());
            assert_eq!(&*JsonText::decode(&segment).expect("text"), text);
            assert_eq!(JsonText::decode("Zh").expect_err("bits left over"), NotText::NotBase64url);
            assert_eq!(JsonText::decode("_w").expect_err("0xff"), NotText::NotUtf8);
        }
        let (one, other) = (JsonText::decode("YQ").expect("a"), JsonText::decode("Yg").expect("b"));
        assert_eq!((&*one, &*other), ("a", "b"), "two at once have a buffer each");
    }
}

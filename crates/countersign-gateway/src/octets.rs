//! Sets of bytes, for checks of each byte of a request.

/// A set of bytes, as a table.
pub(crate) struct Octets([bool; 256]);

impl Octets {
    /// ASCII letters, digits and these.
    pub(crate) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut is_in = [false; 256];
        let mut byte = 0u8;
        loop {
            is_in[byte as usize] = byte.is_ascii_alphanumeric();
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            is_in[others[at] as usize] = true;
            at += 1;
        }
        Octets(is_in)
    }

    #[inline]
    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

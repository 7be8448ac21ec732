//! Decompression within a bound.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The size of the first buffer, in bytes: that of a list of half a million bits.
const FIRST_BUFFER: usize = 64 * 1024;

/// The reason why data cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotInflated {
    /// It is longer than permitted. Nothing beyond the bound was decompressed.
    TooLarge,
    /// It is not one whole ZLIB stream (RFC 1950), and nothing else.
    Malformed,
}

/// Decompresses a ZLIB stream of at most `max_bytes`.
pub(super) fn inflate(compressed: &[u8], max_bytes: usize) -> Result<Vec<u8>, NotInflated> {
    let flags = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let limit = max_bytes.saturating_add(1); // one byte too many shows that it is too large
    let mut state = Box::<DecompressorOxide>::default();
    let mut output = vec![0; FIRST_BUFFER.min(limit)];
    let (mut read, mut written) = (0, 0);
    loop {
        let rest = compressed.get(read..).unwrap_or_default();
        let (status, taken, made) = decompress(&mut state, rest, &mut output, written, flags);
        (read, written) = (read + taken, written + made);
        match status {
            _ if written > max_bytes => return Err(NotInflated::TooLarge),
            TINFLStatus::Done if read == compressed.len() => {
                output.truncate(written);
                return Ok(output);
            }
            TINFLStatus::HasMoreOutput if output.len() < limit => {
                let longer = output.len().saturating_mul(2).min(limit);
                output.resize(longer, 0);
            }
            _ => return Err(NotInflated::Malformed),
        }
    }
}

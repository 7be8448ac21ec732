//! Files that may be replaced or chosen badly, or lie on a disk that hangs: only regular ones are read, up to a limit, and one
//! thread at a time for each path.

mod regular;
#[cfg(feature = "_fetch")]
mod turn;

pub(crate) use regular::read_bytes;
pub use regular::read_text;
#[cfg(feature = "_fetch")]
pub(crate) use turn::{in_turn, turn};

//! Files that may be replaced or chosen badly, or lie on a disk that hangs: only regular ones are read, up to a limit, and one
//! thread at a time for each path. They are replaced in one step.

mod regular;
mod replaced;
#[cfg(feature = "_fetch")]
mod turn;

pub(crate) use regular::read_bytes;
pub use regular::read_text;
pub use replaced::replace_file;
#[cfg(feature = "_fetch")]
pub(crate) use turn::{in_turn, turn};

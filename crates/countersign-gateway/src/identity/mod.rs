//! Headers that name the caller: no client may send one, in whatever spelling, and only the gateway sets them.

mod reserved;
mod value;

pub use reserved::ReservedHeaders;
pub use value::IdentityValue;

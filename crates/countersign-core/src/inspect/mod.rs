//! Inspection of any text as a token, for tools. Nothing of an inspected token is trusted.

mod inspection;
mod signature;

pub use inspection::{Inspection, Segment, TokenFault, inspect};
pub use signature::SignatureState;

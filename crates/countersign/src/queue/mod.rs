//! Tokens in messages of queues, verified as of the time at which they were put there.
//!
//! Prefer messages without tokens: the worker then calls with
//! its own token, and the message names the subject.

mod verifier;

pub use verifier::{MAX_QUEUE_AGE, QueueVerifier, QueueVerifierBuilder};

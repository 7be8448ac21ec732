//! Used proofs.

mod keys;
mod redis_replays;
mod script;

pub use redis_replays::RedisReplays;

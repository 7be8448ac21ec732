//! The settings of connections to a server or a cluster.

mod address;
mod pem;
mod redis_settings;
mod tls;

pub(crate) use address::{Address, Endpoint};
pub(crate) use redis_settings::Place;
pub use redis_settings::RedisSettings;

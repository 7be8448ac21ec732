//! The embedded token service over real HTTP (CONFORMANCE group S8).

mod clients;
mod crash;
mod discovery;
mod exchange;
mod keys;
mod peers;
mod protocol;
mod service;
mod store;
mod token;
mod upgrades;

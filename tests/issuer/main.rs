//! The embedded token service over real HTTP (CONFORMANCE group S8).

mod clients;
mod crash;
mod discovery;
mod exchange;
mod gateway;
mod keys;
mod peers;
mod protocol;
mod service;
mod store;
mod timing;
mod token;
mod upgrades;

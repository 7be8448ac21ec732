//! The embedded token service over real HTTP (CONFORMANCE group S8).

mod clients;
mod clocks;
mod crash;
mod direct;
mod discovery;
mod exchange;
mod files;
mod fresh;
mod gateway;
mod keys;
mod names;
mod outage;
mod peers;
mod protocol;
mod readings;
mod service;
mod shares;
mod store;
mod timing;
mod token;
mod upgrades;
mod withdrawal;

//! API keys: CONFORMANCE S13.09 to S13.12.

mod callers;
mod instances;
mod keys;
mod locations;
mod management;
mod outage;
mod rotation;
mod shop;
mod stores;

//! Transaction tokens (draft-ietf-oauth-transaction-tokens-10): CONFORMANCE S9.08, S9.09, S9.11, S9.13.

mod begin;
mod chain;
mod forward;
mod grpc;
mod guards;
mod layer;
mod lifetime;
mod outside;
mod peers;
mod reload;
mod replacement;
mod service;
mod shop;
mod tokens;

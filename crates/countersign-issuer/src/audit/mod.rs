//! The audit log: one event per token issued or refused, under the target `countersign::issuer`.
//!
//! Events carry ids and codes, never a secret, a token or a claim.

mod events;
mod sampler;

pub(crate) use events::{
    Issued, Refused, key_maintenance_failed, presented_token_refused, request_refused, secret_upgraded, store_failed,
    token_issued, token_revoked, tokens_revoked,
};
pub(crate) use sampler::{Refusals, Sampler};

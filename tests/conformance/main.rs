//! Conformance: every test is named by the requirement ids that it shows; `docs/conformance.md` is made from the names.
//!
//! One valid token, of which each test changes one thing and signs it anew, so that nothing but the change can refuse
//! it. Each refusal is expected by its exact code, and has a repaired twin that is accepted.

mod dependencies;
mod fixture;
mod http;
mod interop;
mod number;
mod properties;
mod reasons;
mod s11_cost;
mod s1_form;
mod s1_json;
mod s2_choice;
mod s2_keys;
mod s2_signatures;
mod s3_claims;
mod s3_identity;
mod s3_kinds;
mod s3_times;
mod s4_lookup;
mod table;
mod threats;

//! Signed policies for many services (feature `bundle`): one document with a revision, an expiry and the name of its fleet.
//!
//! A bundle is a compact JWS of type `policy-bundle+jwt`. Services pin the keys that sign it and the name of their fleet, in a
//! [`BundleVerifier`]. It says nothing about how it is verified: algorithm, key and fleet come from the pins.

mod document;
mod error;
mod shadow;
#[cfg(all(test, feature = "sign"))]
mod tests;
mod verifier;
#[cfg(feature = "sign")]
mod write;

pub use document::{Bundle, MAX_BUNDLE_BYTES, MAX_BUNDLE_VALIDITY};
pub use error::{BundleError, BundleErrorKind};
pub use shadow::ShadowBundle;
pub use verifier::BundleVerifier;
#[cfg(feature = "sign")]
pub use write::BundleDraft;

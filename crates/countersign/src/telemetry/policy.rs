//! Events of policies that are read again.

use std::path::Path;

use countersign_core::error::ConfigError;
use countersign_core::policy::Fingerprint;

pub(crate) fn policy_replaced(file: &Path, fingerprint: &Fingerprint) {
    let file = file.display();
    tracing::info!(target: "countersign::policy", %file, %fingerprint, "policy replaced");
}

pub(crate) fn policy_refused(file: &Path, error: &ConfigError) {
    let file = file.display();
    tracing::error!(target: "countersign::policy", %file, %error, "policy refused; the last good one stays in force");
}

pub(crate) fn shadow_refused(source: &str, error: &ConfigError) {
    tracing::warn!(target: "countersign::policy", source, %error, "shadow policy not usable; the policy in force holds");
}

#[cfg(feature = "bundle")]
pub(crate) fn bundle_replaced(source: &str, revision: u64, fingerprint: &Fingerprint) {
    tracing::info!(target: "countersign::policy", source, revision, %fingerprint, "policy bundle replaced");
}

#[cfg(feature = "bundle")]
pub(crate) fn bundle_refused(source: &str, error: &ConfigError) {
    tracing::error!(target: "countersign::policy", source, %error, "policy bundle refused; the last good one stays in force");
}

#[cfg(feature = "bundle")]
pub(crate) fn bundle_not_pulled(source: &str, error: &ConfigError) {
    tracing::warn!(target: "countersign::policy", source, %error, "policy bundle not pulled; the last good one stays in force");
}

#[cfg(feature = "bundle")]
pub(crate) fn bundle_usable(source: &str) {
    tracing::info!(target: "countersign::policy", source, "the source has the policy bundle in force again");
}

#[cfg(feature = "bundle")]
pub(crate) fn last_good_unusable(file: &Path, problem: &str) {
    let file = file.display();
    tracing::error!(target: "countersign::policy", %file, problem, "last good policy bundle not usable");
}

pub(crate) fn policy_usable(file: &Path) {
    let file = file.display();
    tracing::info!(target: "countersign::policy", %file, "policy file has the policy in force again");
}

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

pub(crate) fn policy_usable(file: &Path) {
    let file = file.display();
    tracing::info!(target: "countersign::policy", %file, "policy file has the policy in force again");
}

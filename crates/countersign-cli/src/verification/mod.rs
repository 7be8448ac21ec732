//! Verification of tokens with the library's verifier, for commands and the inspector.

mod authorities;
mod checks;
mod options;
mod proof;
mod session;
mod settings;

pub(crate) use authorities::authority_lists;
pub(crate) use checks::{found_in_words, print_checks, remedy};
pub(crate) use options::{VerifyOptions, algorithms};
pub(crate) use proof::Presented;
pub(crate) use session::{Session, report_without_waiting};
pub(crate) use settings::{KeyLocation, Settings, read_policy};

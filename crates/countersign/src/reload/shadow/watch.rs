//! The shadow policy that a verifier follows.

use std::path::Path;
#[cfg(feature = "bundle")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::error::ConfigError;
use countersign_core::policy::Policy;
use countersign_core::verify::Verifier;

use super::report::ShadowReport;
use super::settings::{Place, ShadowPolicy};
#[cfg(feature = "bundle")]
use crate::reload::bundle::Source;
use crate::reload::in_force::InForce;
use crate::telemetry;

/// The shadow policy of one verifier.
pub(in crate::reload) struct ShadowWatch {
    settings: ShadowPolicy,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The document that was read last.
    text: Option<String>,
    /// The source recognizes it by this at the next pull.
    #[cfg(feature = "bundle")]
    validator: Option<Vec<u8>>,
    revision: Option<u64>,
    error: Option<ConfigError>,
    /// True if the policy of `text` is compared.
    is_compared: bool,
}

/// A policy to compare, with its revision; `None` if it is in force already.
pub(in crate::reload) type Next = Option<(Policy, Option<u64>)>;

impl ShadowWatch {
    pub(in crate::reload) fn new(settings: ShadowPolicy) -> Self {
        ShadowWatch { settings, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> &Place {
        &self.settings.place
    }

    /// The file of the policy.
    ///
    /// # Errors
    /// If it is at an address.
    #[cfg_attr(not(feature = "bundle"), allow(clippy::unnecessary_wraps, reason = "only bundles come from an address"))]
    pub(in crate::reload) fn file(&self) -> Result<&Path, ConfigError> {
        match self.place() {
            Place::File(path) => Ok(path),
            #[cfg(feature = "bundle")]
            Place::Url(_) | Place::Source(_) => {
                let problem =
                    "from an address or another source, beside a policy that comes from an unsigned file; name a file";
                Err(ConfigError::new("shadow", problem))
            }
        }
    }

    /// The source of the bundle.
    #[cfg(feature = "bundle")]
    pub(in crate::reload) fn source(&self) -> Source {
        match self.place() {
            Place::File(path) => Source::File(path.clone()),
            Place::Url(url) => Source::from_url(url.clone()),
            Place::Source(source) => Source::Other(Arc::clone(source)),
        }
    }

    /// The document that was read last, and its validator.
    #[cfg(feature = "bundle")]
    pub(in crate::reload) fn known(&self) -> Option<(Vec<u8>, String)> {
        let state = self.state();
        state.validator.clone().zip(state.text.clone())
    }

    /// Stores the validator of the document that was taken last.
    #[cfg(feature = "bundle")]
    pub(in crate::reload) fn set_validator(&self, validator: Option<Vec<u8>>) {
        self.state().validator = validator;
    }

    /// Takes a document, or `None` if there is none. `parse` is called with another document than the last, and with the same one
    /// if `is_replaced`: another policy is in force. Returns whether another policy is compared.
    pub(in crate::reload) fn take(
        &self,
        in_force: &InForce,
        read: Result<Option<String>, ConfigError>,
        is_replaced: bool,
        parse: impl FnOnce(&str) -> Result<Next, ConfigError>,
    ) -> bool {
        let text = match read {
            Ok(Some(text)) => text,
            Ok(None) => {
                in_force.end_shadow();
                *self.state() = State::default();
                return false;
            }
            Err(error) => {
                self.record(&error); // what is compared goes on
                return false;
            }
        };
        let is_known = self.state().text.as_ref() == Some(&text);
        if is_known && !is_replaced && self.state().is_compared {
            self.state().error = None;
            return false;
        }
        let shadowed = parse(&text).and_then(|next| match next {
            Some((policy, revision)) => in_force.shadow(policy, self.settings.one_in).map(|_| (revision, true)),
            None => Ok((None, false)),
        });
        match shadowed {
            Ok((revision, is_compared)) => {
                if !is_compared {
                    in_force.end_shadow();
                }
                *self.state() = State { text: Some(text), revision, is_compared, ..State::default() };
                is_compared
            }
            Err(error) => {
                in_force.end_shadow();
                self.record(&error);
                let mut state = self.state();
                (state.text, state.revision, state.is_compared) = (Some(text), None, false);
                false
            }
        }
    }

    /// Records an error, which is logged once until it changes.
    fn record(&self, error: &ConfigError) {
        let is_known = self.state().error.replace(error.clone()) == Some(error.clone());
        if !is_known {
            telemetry::shadow_refused(&self.shown(), error);
        }
    }

    fn shown(&self) -> String {
        match self.place() {
            Place::File(path) => path.display().to_string(),
            #[cfg(feature = "bundle")]
            Place::Url(_) | Place::Source(_) => self.source().shown(),
        }
    }

    pub(in crate::reload) fn report(&self, verifier: &Verifier) -> ShadowReport {
        let state = self.state();
        let report = ShadowReport {
            source: self.shown(),
            revision: state.revision,
            one_in: self.settings.one_in,
            error: state.error.as_ref().map(ToString::to_string),
            ..ShadowReport::default()
        };
        drop(state);
        report.with_counts(verifier.shadow())
    }
}

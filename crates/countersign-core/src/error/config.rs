//! Configuration faults, reported all at once.

use std::borrow::Cow;
use std::fmt;

use crate::redact::visible_text;

/// A configuration field and its fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The field as it appears in the configuration, such as `audience` or `algorithms`.
    pub field: Cow<'static, str>,
    /// The fault and its remedy.
    pub problem: Cow<'static, str>,
}

/// An invalid configuration, with every fault found and the field of each.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct ConfigError {
    faults: Vec<Fault>,
}

impl ConfigError {
    /// Creates an error with one fault.
    pub fn new(field: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        ConfigError { faults: vec![Fault { field: Cow::Owned(field.into()), problem: problem.into() }] }
    }

    /// Returns `Ok` if `faults` is empty.
    ///
    /// # Errors
    /// `ConfigError` with all of `faults`, if there are any.
    pub fn check(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(ConfigError { faults }) }
    }

    /// All faults, in the order found.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl Fault {
    /// Creates a fault of `field`.
    pub fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Fault { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", visible_text(&fault.field), visible_text(&fault.problem))?;
        }
        Ok(())
    }
}

/// As `Display`, so that `fn main() -> Result<(), ConfigError>` prints a readable line.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

//! Faults of set-up, all of them at once.

use std::borrow::Cow;
use std::fmt;

/// One field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The field, as the user wrote it: `audience`, `issuer`, `algorithms`.
    pub field: Cow<'static, str>,
    /// The fault, and what to do about it.
    pub problem: Cow<'static, str>,
}

/// A configuration that must not serve: every fault found, each naming its field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ConfigError {
    faults: Vec<Fault>,
}

impl ConfigError {
    /// An error of one fault.
    pub fn new(field: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        ConfigError { faults: vec![Fault { field: Cow::Owned(field.into()), problem: problem.into() }] }
    }

    /// `Ok` where there is no fault.
    ///
    /// # Errors
    /// Holds all of `faults`, if any.
    pub fn check(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(ConfigError { faults }) }
    }

    /// Everything that is wrong, in the order found.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl Fault {
    /// Names a field and its fault.
    pub fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Fault { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.field, fault.problem)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

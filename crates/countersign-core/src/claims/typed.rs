//! A user's own claims type, decoded once a token however many handlers ask.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use smallvec::SmallVec;

/// How many types are remembered a token; beyond that a type is decoded each time.
const MAX_TYPES: usize = 8;

/// The token's claims are not of the type that the handler asks for.
///
/// Says where, never what: claims may be personal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ClaimsError {
    line: usize,
    column: usize,
    category: &'static str,
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the claims do not decode into the wanted type: {} at line {} column {}",
            self.category, self.line, self.column
        )
    }
}

impl std::error::Error for ClaimsError {}

impl From<&serde_json::Error> for ClaimsError {
    fn from(error: &serde_json::Error) -> Self {
        let category = if error.is_data() { "a field is missing or of another type" } else { "not readable" };
        ClaimsError { line: error.line(), column: error.column(), category }
    }
}

/// Decoded types of one token.
#[derive(Default)]
pub(crate) struct TypedClaims(Mutex<SmallVec<[Decoded; 1]>>);

type Decoded = (TypeId, Arc<dyn Any + Send + Sync>);

impl TypedClaims {
    /// The claims as `C`, decoded from `json` the first time. The lock belongs to this token alone.
    pub(crate) fn get<C>(&self, json: &str) -> Result<Arc<C>, ClaimsError>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        if let Some(found) = self.find::<C>() {
            return Ok(found);
        }
        let decoded: Arc<C> = Arc::new(serde_json::from_str(json).map_err(|error| ClaimsError::from(&error))?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_TYPES {
            known.push((TypeId::of::<C>(), Arc::clone(&decoded) as Arc<dyn Any + Send + Sync>));
        }
        Ok(decoded)
    }

    fn find<C: Send + Sync + 'static>(&self) -> Option<Arc<C>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, found) = known.iter().find(|(id, _)| *id == TypeId::of::<C>())?;
        Arc::clone(found).downcast().ok()
    }
}

//! Claims as the application's own type, decoded once per token.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ClaimsError;
use super::budget::{DecodedBudget, decoded_bytes};
use super::decode::decode;
use crate::token::{decode_base64url, decode_base64url_into, find};

/// The number of types cached per token; further types are decoded on every call.
const MAX_TYPES: usize = 8;

/// A type that claims can be decoded into: every `Deserialize` type and [`Evolving`](super::Evolving).
#[diagnostic::on_unimplemented(
    message = "claims cannot be decoded into `{Self}`",
    label = "`FromClaims` is not implemented for `{Self}`",
    note = "derive `serde::Deserialize` for a type without borrowed fields, or use `Evolving<C>` with `C: Schema`"
)]
pub trait FromClaims: Sized + Send + Sync + 'static {
    /// Decodes the claims of a verified token.
    ///
    /// # Errors
    /// `ClaimsError` if the claims do not have this type. It names the field and the types, never the content.
    fn from_claims(json: &str) -> Result<Self, ClaimsError>;
}

impl<C: DeserializeOwned + Send + Sync + 'static> FromClaims for C {
    fn from_claims(json: &str) -> Result<Self, ClaimsError> {
        decode(json).map_err(|error| ClaimsError::decoding::<C>(json, &error))
    }
}

/// The claims of one token, decoded on demand and once per type.
#[derive(Clone, Copy)]
pub struct TokenClaims<'t> {
    text: ClaimsText<'t>,
    typed: &'t TypedClaims,
}

/// The text of the claims.
#[derive(Clone, Copy)]
enum ClaimsText<'t> {
    Json(&'t str),
    /// The verified token that contains them, base64url-encoded.
    Token(&'t str),
}

impl<'t> TokenClaims<'t> {
    pub(crate) fn new(json: &'t str, typed: &'t TypedClaims) -> Self {
        TokenClaims { text: ClaimsText::Json(json), typed }
    }

    /// The claims of a verified token.
    pub(crate) fn from_token(token: &'t str, typed: &'t TypedClaims) -> Self {
        TokenClaims { text: ClaimsText::Token(token), typed }
    }

    /// Decodes the claims into `C`.
    ///
    /// # Errors
    /// As [`FromClaims::from_claims`].
    pub fn decode<C: FromClaims>(&self) -> Result<Arc<C>, ClaimsError> {
        match self.typed.cached() {
            Some(own) => own,
            None => self.with_json(|json| self.typed.get(json))?,
        }
    }

    /// Decodes the claims into `C`, and keeps nothing of it.
    pub(crate) fn decode_once<C: DeserializeOwned>(&self) -> Result<C, ClaimsError> {
        self.with_json(|json| decode(json).map_err(|error| ClaimsError::decoding::<C>(json, &error)))?
    }

    /// Compares the claim at a JSON pointer with `expected`; `None` if it has another type. Nothing is kept for it.
    pub(crate) fn compare(&self, pointer: &str, expected: &Value) -> Result<Option<bool>, ClaimsError> {
        let found = self.with_json(|json| find(json, pointer).map(|found| found.compare(expected)));
        found?.map_err(|_| ClaimsError::unreadable())
    }

    /// Calls `read` with the JSON of the claims.
    fn with_json<R>(&self, read: impl FnOnce(&str) -> R) -> Result<R, ClaimsError> {
        let token = match self.text {
            ClaimsText::Json(json) => return Ok(read(json)),
            ClaimsText::Token(token) => token,
        };
        // The token was verified, so this does not fail.
        let segment = token.split('.').nth(1).ok_or_else(ClaimsError::unreadable)?;
        let mut buffer = [0; ON_STACK];
        let json = match decode_base64url_into(segment, &mut buffer) {
            Some(json) => Cow::Borrowed(json),
            None => Cow::Owned(decode_base64url(segment).ok_or_else(ClaimsError::unreadable)?),
        };
        std::str::from_utf8(&json).map(read).map_err(|_| ClaimsError::unreadable())
    }
}

/// The longest claims that are decoded without an allocation, in bytes; most are shorter.
const ON_STACK: usize = 2048;

/// Hides the claims: they may be personal data.
impl fmt::Debug for TokenClaims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClaims").finish_non_exhaustive()
    }
}

/// The results of decoding one token, per type, as long as they fit into the budget of the cache.
///
/// Reads take no lock, since many threads may share a token.
#[derive(Default)]
pub(crate) struct TypedClaims {
    first: Slot,
    /// The budget of the cache that the token is in. Types beyond it are decoded on every call.
    budget: Option<Arc<DecodedBudget>>,
}

type Slot = OnceLock<Box<Decoded>>;

struct Decoded {
    id: TypeId,
    own: Result<Arc<dyn Any + Send + Sync>, ClaimsError>,
    /// The bytes taken from the budget.
    weight: usize,
    next: Slot,
}

impl TypedClaims {
    pub(crate) fn within(budget: Option<Arc<DecodedBudget>>) -> Self {
        TypedClaims { budget, first: Slot::new() }
    }

    /// The claims as `C`, if they were decoded before.
    fn cached<C: FromClaims>(&self) -> Option<Result<Arc<C>, ClaimsError>> {
        let mut slot = &self.first;
        while let Some(decoded) = slot.get() {
            if decoded.id == TypeId::of::<C>() {
                return match &decoded.own {
                    Ok(own) => Arc::clone(own).downcast().ok().map(Ok),
                    Err(error) => Some(Err(error.clone())),
                };
            }
            slot = &decoded.next;
        }
        None
    }

    /// Returns the claims as `C`, decoding `json` on the first call.
    fn get<C: FromClaims>(&self, json: &str) -> Result<Arc<C>, ClaimsError> {
        let id = TypeId::of::<C>();
        let decode = || C::from_claims(json).map(Arc::new);
        let mut slot = &self.first;
        for _ in 0..MAX_TYPES {
            let decoded = match slot.get() {
                Some(decoded) => decoded,
                None => {
                    let weigh = || size_of::<C>() + DECODED_OVERHEAD + decoded_bytes(json);
                    let weight = self.budget.as_ref().map_or(0, |_| weigh());
                    let Some(taken) = Taken::from(self.budget.as_deref(), weight) else { return decode() };
                    slot.get_or_init(|| {
                        let own = decode().map(|own| own as Arc<dyn Any + Send + Sync>);
                        Box::new(Decoded { id, own, weight: taken.keep(), next: Slot::new() })
                    })
                }
            };
            if decoded.id == id {
                return match decoded.own.clone()?.downcast() {
                    Ok(own) => Ok(own),
                    Err(_) => decode(), // unreachable: the type id matches
                };
            }
            slot = &decoded.next;
        }
        decode()
    }
}

/// Bytes taken from a budget. They go back if they are not kept: another thread was first, or the user's type panicked.
struct Taken<'b> {
    budget: Option<&'b DecodedBudget>,
    weight: usize,
}

impl<'b> Taken<'b> {
    /// Takes them; `None` if the budget has too few.
    fn from(budget: Option<&'b DecodedBudget>, weight: usize) -> Option<Self> {
        budget.is_none_or(|budget| budget.take(weight)).then(|| Taken { budget, weight })
    }

    /// Keeps them, to be released by whoever has the entry.
    fn keep(mut self) -> usize {
        self.budget = None;
        self.weight
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(budget) = self.budget {
            budget.release(self.weight);
        }
    }
}

impl Drop for TypedClaims {
    fn drop(&mut self) {
        let Some(budget) = &self.budget else { return };
        let mut slot = &self.first;
        while let Some(decoded) = slot.get() {
            budget.release(decoded.weight);
            slot = &decoded.next;
        }
    }
}

/// The bytes of an entry besides the decoded value.
const DECODED_OVERHEAD: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde::Deserialize;

    use super::*;

    static DECODED: AtomicUsize = AtomicUsize::new(0);

    struct Counted<const N: usize>;

    impl<'de, const N: usize> Deserialize<'de> for Counted<N> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            DECODED.fetch_add(1, Ordering::Relaxed);
            match N {
                0 => u8::deserialize(deserializer).map(|_| Counted),
                _ => serde::de::IgnoredAny::deserialize(deserializer).map(|_| Counted),
            }
        }
    }

    #[test]
    fn a_type_is_decoded_once_by_however_many_threads_and_a_bad_one_again_for_its_error() {
        let typed = TypedClaims::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let claims = TokenClaims::new("null", &typed);
                    assert!(claims.decode::<Counted<0>>().is_err(), "null is not a number");
                    assert!(claims.decode::<Counted<1>>().is_ok());
                    assert!(claims.decode::<Counted<2>>().is_ok());
                });
            }
        });
        assert_eq!(DECODED.load(Ordering::Relaxed), 5, "the bad one thrice: here, by serde_json, and with its path");
    }

    struct Panics;

    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a fault of the application");
        }
    }

    #[test]
    fn s11_13_a_type_that_panics_keeps_nothing_of_the_budget() {
        let weight = size_of::<u8>() + DECODED_OVERHEAD + decoded_bytes("1");
        let budget = Arc::new(DecodedBudget::new(weight));
        let typed = TypedClaims::within(Some(Arc::clone(&budget)));
        let claims = TokenClaims::new("1", &typed);
        let attempt = std::panic::AssertUnwindSafe(|| claims.decode::<Panics>().is_ok());
        assert!(std::panic::catch_unwind(attempt).is_err());
        assert!(claims.decode::<u8>().is_ok());
        assert!(!budget.take(1), "all of it is kept for the entry");
        drop(typed);
        assert!(budget.take(weight) && !budget.take(1), "and is free again, once");
    }

    #[test]
    fn types_beyond_the_cached_ones_are_still_decoded() {
        let typed = TypedClaims::default();
        let claims = TokenClaims::new("1", &typed);
        macro_rules! decode_all {
            ($($number:ty),*) => { $(assert_eq!(*claims.decode::<$number>().expect("a number"), 1 as $number);)* };
        }
        decode_all!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, u8, f64);
    }
}

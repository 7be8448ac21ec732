//! Claims whose form changed over time: a version claim, and upgrades from older forms to the one a handler asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{ClaimsError, FromClaims};

/// A form of claims, and the form before it.
///
/// A handler asks for `Claims<Evolving<OrderClaims>>` and gets the newest form from tokens of every form in the chain.
/// Within one version, serde's own attributes do: `default` for a claim that came later, `alias` for one renamed.
///
/// ```
/// use countersign_core::claims::{Evolving, FromClaims, Oldest, Schema};
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaimsV1 {
///     plan: String,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaims {
///     #[serde(alias = "plan_name")] // its name for a while
///     plan: String,
///     regions: Vec<String>,
/// }
///
/// impl Schema for OrderClaimsV1 {
///     const VERSION: u32 = 1; // tokens without the claim `schema_version` are of this one
///     type Older = Oldest;
///     fn upgrade(older: Oldest) -> Self {
///         match older {}
///     }
/// }
///
/// impl Schema for OrderClaims {
///     const VERSION: u32 = 2;
///     type Older = OrderClaimsV1;
///     fn upgrade(older: OrderClaimsV1) -> Self {
///         OrderClaims { plan: older.plan, regions: vec!["eu".into()] }
///     }
/// }
///
/// let old = Evolving::<OrderClaims>::from_claims(r#"{"plan":"gold"}"#)?;
/// assert_eq!((old.version(), old.plan.as_str(), old.regions.len()), (1, "gold", 1));
/// let unknown = Evolving::<OrderClaims>::from_claims(r#"{"schema_version":3,"plan":"gold","regions":[]}"#);
/// assert!(unknown.unwrap_err().is_newer_schema());
/// # Ok::<(), countersign_core::claims::ClaimsError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a version of claims",
    label = "`Schema` is not implemented for `{Self}`",
    note = "`Evolving<C>` needs `C: Schema`; for claims without versions use `C` itself"
)]
pub trait Schema: DeserializeOwned + Send + Sync + 'static {
    /// The version that this form is, from 1. It must be above the older form's, or the program does not compile.
    const VERSION: u32;

    /// The form before; [`Oldest`] where there was none.
    type Older: Schema;

    /// The top-level claim that tells the version, a whole number. Default: `schema_version`.
    const VERSION_CLAIM: &'static str = "schema_version";

    /// The version of tokens that do not tell one. Default: 1.
    const UNMARKED: u32 = 1;

    /// What becomes of a token of a newer version than this. Default: [`Newer::Refuse`].
    const NEWER: Newer = Newer::Refuse;

    /// Makes this form of the one before.
    fn upgrade(older: Self::Older) -> Self;
}

/// What becomes of a token whose schema is newer than the service knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Newer {
    /// It is refused: 403 `claims_schema`. Services are deployed before the issuer writes the new form.
    Refuse,
    /// It is read as the newest form known: for schemas that only ever gain claims.
    ReadAsNewest,
}

/// What stands before the first form; there is no value of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oldest {}

impl Schema for Oldest {
    const VERSION: u32 = 0;
    type Older = Oldest;

    fn upgrade(older: Oldest) -> Self {
        older
    }
}

impl<'de> Deserialize<'de> for Oldest {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(Error::custom("no form of claims"))
    }
}

/// Claims of the newest form `C`, from a token of any version in its chain. See [`Schema`].
#[derive(Clone, Copy)]
pub struct Evolving<C> {
    own: C,
    version: u32,
}

impl<C> Evolving<C> {
    /// The version that the token itself was of.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl<C> Deref for Evolving<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.own
    }
}

/// Claims are personal.
impl<C> fmt::Debug for Evolving<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evolving").field("version", &self.version).finish_non_exhaustive()
    }
}

impl<C: Schema> FromClaims for Evolving<C> {
    fn from_claims(json: &str) -> Result<Self, ClaimsError> {
        let version = version_of::<C>(json)?;
        let decoded = decode::<C>(version, json);
        count::<C>(match version {
            newer if newer > C::VERSION => SchemaSeen::Newer,
            current if current == C::VERSION => SchemaSeen::Current,
            _ if decoded.as_ref().is_err_and(ClaimsError::is_unknown_schema) => SchemaSeen::Unknown,
            older => SchemaSeen::Older(older),
        });
        decoded.map(|own| Evolving { own, version })
    }
}

/// Down the chain to the form of this version, and up again.
fn decode<C: Schema>(version: u32, json: &str) -> Result<C, ClaimsError> {
    const { assert!(C::VERSION == 0 || C::Older::VERSION < C::VERSION, "an older schema has a lower version") }
    if C::VERSION == 0 {
        return Err(ClaimsError::unknown_schema(version));
    }
    if version == C::VERSION || (version > C::VERSION && C::NEWER == Newer::ReadAsNewest) {
        return C::from_claims(json);
    }
    if version > C::VERSION {
        return Err(ClaimsError::newer_schema(version, C::VERSION));
    }
    match C::Older::VERSION < version {
        true => Err(ClaimsError::unknown_schema(version)), // between two forms of the chain
        false => decode::<C::Older>(version, json).map(C::upgrade),
    }
}

fn version_of<C: Schema>(json: &str) -> Result<u32, ClaimsError> {
    struct Search(&'static str);

    impl<'de> Visitor<'de> for Search {
        type Value = Option<u32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("claims with a version that is a whole number")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u32>, A::Error> {
            let mut version = None;
            while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                if name == self.0 {
                    version = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(version)
        }
    }

    let version = serde_json::Deserializer::from_str(json).deserialize_map(Search(C::VERSION_CLAIM));
    version.map(|version| version.unwrap_or(C::UNMARKED)).map_err(|error| ClaimsError::from(&error))
}

/// How a token's schema stands to the one that a service knows: a closed set, fit for metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SchemaSeen {
    /// An older one of the chain, upgraded.
    Older(u32),
    /// The newest that the service knows.
    Current,
    /// A newer one.
    Newer,
    /// An older one that is not in the chain.
    Unknown,
}

/// So many tokens were of this schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaCount {
    /// The claims type that was asked for.
    pub requested: &'static str,
    /// The schema that was found.
    pub seen: SchemaSeen,
    /// Tokens, each counted when it is decoded first; one that comes again from the cache is not counted again.
    pub tokens: u64,
}

/// As many entries as the program has claims types, times the versions that each knows.
static COUNTS: Mutex<BTreeMap<(&'static str, SchemaSeen), u64>> = Mutex::new(BTreeMap::new());

/// Which schemas this process has seen so far: when the old ones stay at their count, their upgrades can go.
///
/// ```
/// for count in countersign_core::claims::schema_counts() {
///     println!("{} {:?}: {}", count.requested, count.seen, count.tokens);
/// }
/// ```
#[must_use]
pub fn schema_counts() -> Vec<SchemaCount> {
    let counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    counts.iter().map(|((requested, seen), tokens)| SchemaCount { requested, seen: *seen, tokens: *tokens }).collect()
}

fn count<C>(seen: SchemaSeen) {
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry((std::any::type_name::<C>(), seen)).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct First {
        plan: String,
    }

    #[derive(Deserialize)]
    struct Second {
        plan: String,
        region: String,
    }

    #[derive(Deserialize)]
    struct Fourth {
        plan: String,
        #[serde(default)]
        regions: Vec<String>,
    }

    impl Schema for First {
        const VERSION: u32 = 1;
        type Older = Oldest;
        fn upgrade(older: Oldest) -> Self {
            match older {}
        }
    }

    impl Schema for Second {
        const VERSION: u32 = 2;
        type Older = First;
        fn upgrade(older: First) -> Self {
            Second { plan: older.plan, region: "eu".into() }
        }
    }

    impl Schema for Fourth {
        const VERSION: u32 = 4;
        type Older = Second;
        fn upgrade(older: Second) -> Self {
            Fourth { plan: older.plan, regions: vec![older.region] }
        }
    }

    #[derive(Deserialize)]
    struct Open {
        plan: String,
    }

    impl Schema for Open {
        const VERSION: u32 = 3;
        type Older = Oldest;
        const VERSION_CLAIM: &'static str = "ver";
        const UNMARKED: u32 = 3;
        const NEWER: Newer = Newer::ReadAsNewest;
        fn upgrade(older: Oldest) -> Self {
            match older {}
        }
    }

    fn read(json: &str) -> Result<(u32, String, Vec<String>), ClaimsError> {
        let own = Evolving::<Fourth>::from_claims(json)?;
        Ok((own.version(), own.plan.clone(), own.regions.clone()))
    }

    #[test]
    fn every_version_of_the_chain_becomes_the_newest() {
        let eu = vec!["eu".to_owned()];
        for (json, version, regions) in [
            (r#"{"plan":"a"}"#, 1, eu.clone()),
            (r#"{"plan":"a","schema_version":1,"region":"ignored"}"#, 1, eu),
            (r#"{"schema_version":2,"plan":"a","region":"us"}"#, 2, vec!["us".into()]),
            (r#"{"plan":"a","regions":["x","y"],"schema_version":4}"#, 4, vec!["x".into(), "y".into()]),
            (r#"{"plan":"a","schema_version":4}"#, 4, vec![]),
        ] {
            assert_eq!(read(json).expect(json), (version, "a".into(), regions), "{json}");
        }
    }

    #[test]
    fn what_is_newer_unknown_or_of_another_form_is_told_apart() {
        let newer = read(r#"{"plan":"a","schema_version":5}"#).expect_err("newer");
        assert!(newer.is_newer_schema() && newer.to_string().contains("schema 5"), "{newer}");
        for unknown in [0, 3] {
            let error = read(&format!(r#"{{"plan":"a","schema_version":{unknown}}}"#)).expect_err("unknown");
            assert!(error.is_unknown_schema() && !error.is_newer_schema(), "{unknown}: {error}");
        }
        for wrong in ["\"4\"", "4.0", "-1", "null", "[4]", "4294967296"] {
            let error = read(&format!(r#"{{"plan":"secret-a","schema_version":{wrong}}}"#)).expect_err(wrong);
            assert!(!error.is_newer_schema() && !error.to_string().contains("secret"), "{wrong}: {error}");
        }
        assert!(read(r#"{"schema_version":2,"plan":"a"}"#).is_err(), "a claim of that version is missing");
        let open = Evolving::<Open>::from_claims(r#"{"ver":9,"plan":"b"}"#).expect("read as the newest");
        assert_eq!((open.version(), open.plan.as_str()), (9, "b"));
        assert_eq!(Evolving::<Open>::from_claims(r#"{"plan":"b"}"#).expect("unmarked").version(), 3);
    }

    #[test]
    fn schemas_are_counted_in_a_closed_set() {
        #[derive(Deserialize)]
        struct Counted {}
        impl Schema for Counted {
            const VERSION: u32 = 2;
            type Older = First;
            fn upgrade(_: First) -> Self {
                Counted {}
            }
        }
        for version in [1, 1, 1, 2, 0, 3, 77, u32::MAX] {
            let _ = Evolving::<Counted>::from_claims(&format!(r#"{{"plan":"a","schema_version":{version}}}"#));
        }
        let counts: Vec<_> = schema_counts()
            .into_iter()
            .filter(|count| count.requested.ends_with("Counted"))
            .map(|count| (count.seen, count.tokens))
            .collect();
        let expected =
            [(SchemaSeen::Older(1), 3), (SchemaSeen::Current, 1), (SchemaSeen::Newer, 3), (SchemaSeen::Unknown, 1)];
        assert_eq!(counts, expected);
    }
}

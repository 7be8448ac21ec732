//! Versioned claims: a version claim, and upgrades from older schemas to the requested one.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{ClaimsError, ClaimsErrorKind, FromClaims};

/// A version of the claims schema, and the version before it.
///
/// A handler that takes `Claims<Evolving<OrderClaims>>` gets the newest version from tokens of every version in the chain.
/// Within one version, use the attributes of serde: `default` for added claims, `alias` for renamed ones.
///
/// ```
/// use countersign_core::claims::{ClaimsErrorKind, Evolving, FromClaims, Oldest, Schema};
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaimsV1 {
///     plan: String,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaims {
///     #[serde(alias = "plan_name")] // a former name
///     plan: String,
///     regions: Vec<String>,
/// }
///
/// impl Schema for OrderClaimsV1 {
///     const VERSION: u32 = 1; // also the version of tokens without `schema_version`
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
/// assert_eq!(unknown.unwrap_err().kind(), ClaimsErrorKind::NewerSchema);
/// # Ok::<(), countersign_core::claims::ClaimsError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a version of claims",
    label = "`Schema` is not implemented for `{Self}`",
    note = "`Evolving<C>` needs `C: Schema`; for claims without versions use `C` itself"
)]
pub trait Schema: DeserializeOwned + Send + Sync + 'static {
    /// The number of this version, from 1.
    ///
    /// It must exceed that of [`Older`](Self::Older), or the program does not compile.
    const VERSION: u32;

    /// The previous version; [`Oldest`] if this is the first.
    type Older: Schema;

    /// The top-level claim that holds the version, a whole number. Default: `schema_version`.
    const VERSION_CLAIM: &'static str = "schema_version";

    /// The version of tokens without a version claim. Default: 1.
    const UNMARKED: u32 = 1;

    /// The handling of tokens of a newer version. Default: [`Newer::Refuse`].
    const NEWER: Newer = Newer::Refuse;

    /// Converts the previous version into this one.
    fn upgrade(older: Self::Older) -> Self;
}

/// The handling of tokens whose schema is newer than the newest one that the service knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Newer {
    /// Refuses the token: 403 `claims_schema`.
    ///
    /// Deploy the services before the issuer writes the new version.
    Refuse,
    /// Reads the token as the newest known version, for schemas that only add claims.
    ReadAsNewest,
}

/// The end of the chain, before the first version; it has no values.
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
        Err(Error::custom("the chain of claims schemas ends here"))
    }
}

/// Claims in the newest version `C`, from a token of any version in its chain. See [`Schema`].
#[derive(Clone, Copy)]
pub struct Evolving<C> {
    own: C,
    version: u32,
}

impl<C> Evolving<C> {
    /// The version of the token itself, before upgrades.
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

/// Hides the claims: they may be personal data.
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
            _ if decoded.as_ref().is_err_and(|error| error.kind() == ClaimsErrorKind::UnknownSchema) => {
                SchemaSeen::Unknown
            }
            older => SchemaSeen::Older(older),
        });
        decoded.map(|own| Evolving { own, version })
    }
}

/// Follows the chain down to `version`, decodes the claims, and upgrades them.
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
        true => Err(ClaimsError::unknown_schema(version)), // between two versions of the chain
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
    version.map(|version| version.unwrap_or(C::UNMARKED)).map_err(|error| ClaimsError::at(C::VERSION_CLAIM, &error))
}

/// The schema of a token relative to the newest known one; a closed set for metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SchemaSeen {
    /// An older version in the chain, upgraded.
    Older(u32),
    /// The newest version that the service knows.
    Current,
    /// A newer version.
    Newer,
    /// An older version that is not in the chain.
    Unknown,
}

/// The number of tokens with a given schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaCount {
    /// The name of the requested claims type.
    pub requested: &'static str,
    /// The schema of the tokens.
    pub seen: SchemaSeen,
    /// The number of tokens.
    ///
    /// A token is counted when it is first decoded, not when it comes from the cache.
    pub tokens: u64,
}

/// The counts, bounded by the claims types of the program and the versions that each knows.
static COUNTS: Mutex<BTreeMap<(&'static str, SchemaSeen), u64>> = Mutex::new(BTreeMap::new());

/// Returns the schemas that this process has seen so far.
///
/// Once the count of an old schema stops growing, its upgrade can be removed.
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
    fn newer_unknown_and_malformed_schemas_are_distinguished() {
        let newer = read(r#"{"plan":"a","schema_version":5}"#).expect_err("newer");
        assert!(newer.kind() == ClaimsErrorKind::NewerSchema && newer.to_string().contains("schema 5"), "{newer}");
        for unknown in [0, 3] {
            let error = read(&format!(r#"{{"plan":"a","schema_version":{unknown}}}"#)).expect_err("unknown");
            assert_eq!(error.kind(), ClaimsErrorKind::UnknownSchema, "{unknown}: {error}");
        }
        for wrong in ["\"4\"", "4.0", "-1", "null", "[4]", "4294967296"] {
            let error = read(&format!(r#"{{"plan":"secret-a","schema_version":{wrong}}}"#)).expect_err(wrong);
            assert!(error.kind() == ClaimsErrorKind::Form && !error.to_string().contains("secret"), "{wrong}: {error}");
        }
        assert!(read(r#"{"schema_version":2,"plan":"a"}"#).is_err(), "a claim of this version is missing");
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

//! The table of an app's routes with their access.

use std::fmt;
use std::sync::Arc;

use countersign_core::authz::Requirement;
use countersign_core::error::{ConfigError, Fault};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::access::Access;
use crate::authenticate::AuthenticateLayer;

/// The method column of a route for every method.
pub(super) const ANY: &str = "ANY";

/// One method of one path with its access; [`RouteTable`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    method: &'static str,
    path: String,
    access: Access,
}

/// The routes of an app, ordered by path and method.
///
/// `Display` writes it as text for reviewers. A test that compares the text shows every change of access in a review. The last
/// line stands for unknown paths, which need a token too.
///
/// ```
/// use countersign::app::{Access, Routes};
/// use countersign::prelude::*;
///
/// let routes: Routes = Routes::new()
///     .post("/orders", scope("orders:write").and(role("clerk")), || async { "created" })
///     .get("/health", Access::Public, || async { "ok" });
/// assert_eq!(
///     routes.table().to_string(),
///     "GET   /health  public\n\
///      POST  /orders  scope orders:write and role clerk\n\
///      ANY   *        authenticated\n",
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable(Arc<Vec<Route>>); // apps are cloned for each connection, or for each request

impl Route {
    pub(super) fn new(method: &'static str, path: String, access: Access) -> Self {
        Route { method, path, access }
    }

    /// The method, or `ANY`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method
    }

    /// The method of a value that outlives the route.
    pub(super) const fn static_method(&self) -> &'static str {
        self.method
    }

    /// The path in the router's syntax, such as `/orders/{id}`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The access to the route.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The requirement, if the route has one beside a verified token.
    #[must_use]
    pub fn rule(&self) -> Option<&Requirement> {
        match &self.access {
            Access::Required(requirement) => Some(requirement),
            _ => None,
        }
    }

    /// The scopes that every caller needs, whatever else is required.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        self.rule().into_iter().flat_map(Requirement::required_scopes).collect()
    }
}

impl RouteTable {
    pub(super) fn push(&mut self, route: Route) {
        let index = self.0.partition_point(|known| (&known.path, known.method) <= (&route.path, route.method));
        Arc::make_mut(&mut self.0).insert(index, route);
    }

    pub(super) fn extend(&mut self, other: RouteTable) {
        Arc::unwrap_or_clone(other.0).into_iter().for_each(|route| self.push(route));
    }

    /// The same routes below `prefix`, with paths as axum joins them.
    pub(super) fn below(mut self, prefix: &str) -> Self {
        for route in Arc::make_mut(&mut self.0) {
            route.path = below(prefix, &route.path);
        }
        self
    }

    /// The routes, ordered by path and method.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The routes that need no token.
    pub fn public(&self) -> impl Iterator<Item = &Route> {
        self.iter().filter(|route| matches!(route.access, Access::Public | Access::Optional))
    }

    /// Checks that each path has the parameters that its requirement names.
    ///
    /// A route without one of them refuses every caller. [`try_protect`](super::try_protect) returns these faults, and
    /// [`protect`](super::protect) logs them at ERROR. They are none if the app is nested below a router whose path has the parameter.
    ///
    /// ```
    /// use countersign::app::Routes;
    /// use countersign::prelude::*;
    ///
    /// let routes: Routes = Routes::new().get("/{tenant}/orders", tenant_in_path("tennant"), || async { "orders" });
    /// let error = routes.table().check_config().unwrap_err();
    /// assert!(error.to_string().contains("{tennant}"), "{error}");
    /// ```
    ///
    /// # Errors
    /// `ConfigError` with every fault, on the paths.
    pub fn check_config(&self) -> Result<(), ConfigError> {
        ConfigError::check(self.path_faults())
    }

    /// As [`check_config`](Self::check_config), and checks that the layer takes transaction tokens if a requirement reads them.
    pub(super) fn check_for(&self, layer: &AuthenticateLayer) -> Result<(), ConfigError> {
        let mut faults = self.path_faults();
        let reads = |route: &&Route| route.rule().is_some_and(Requirement::needs_transaction);
        for route in self.iter().filter(reads).filter(|_| !layer.takes_transactions()) {
            let problem =
                "its requirement reads transactions, and the layer takes none; add transaction_tokens to the layer";
            faults.push(Fault::new(format!("{} {}", route.method, route.path), problem));
        }
        ConfigError::check(faults)
    }

    fn path_faults(&self) -> Vec<Fault> {
        let faults = self.iter().flat_map(|route| {
            let known: Vec<&str> = parameters(&route.path).collect();
            let known = if known.is_empty() { "none".to_owned() } else { format!("{{{}}}", known.join("}, {")) };
            let missing = route.rule().into_iter().flat_map(Requirement::path_parameters);
            missing.filter(|name| !has_parameter(&route.path, name)).map(move |name| {
                let problem = format!(
                    "no parameter {{{name}}}, which its requirement names; name it in the path, or correct it (parameters there: {known})"
                );
                Fault::new(format!("{} {}", route.method, route.path), problem)
            })
        });
        faults.collect()
    }

    /// The table as a JSON array of `{method, path, access, requirement, rule, scopes}`.
    ///
    /// `requirement` is text for people. `rule` is the requirement as [data](Requirement#data-form), and null for routes
    /// without one; [`from_json`](Self::from_json) reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&*self.0).unwrap_or_default() // only strings, so it cannot fail
    }
}

/// Returns whether the path has this parameter.
fn has_parameter(path: &str, name: &str) -> bool {
    parameters(path).any(|parameter| parameter.strip_prefix('*').unwrap_or(parameter) == name)
}

/// The parameters of a path, a wildcard with its `*`. `{{` and `}}` are braces of the path itself.
pub(super) fn parameters(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find('{')? + 1;
            rest = &rest[start..];
            if let Some(after) = rest.strip_prefix('{') {
                rest = after;
                continue;
            }
            let (parameter, after) = rest.split_once('}')?;
            rest = after;
            return Some(parameter);
        }
    })
}

/// The path below `prefix`, as axum joins them.
pub(super) fn below(prefix: &str, path: &str) -> String {
    match path {
        _ if prefix.ends_with('/') => format!("{prefix}{}", path.trim_start_matches('/')),
        "/" => prefix.to_owned(),
        _ => format!("{prefix}{path}"),
    }
}

impl fmt::Display for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.iter().map(|route| route.method.len()).max().unwrap_or_default().max(ANY.len());
        let path = self.iter().map(|route| route.path.chars().count()).max().unwrap_or_default().max(1);
        for route in self.iter() {
            writeln!(f, "{:method$}  {:path$}  {}", route.method, route.path, route.access)?;
        }
        writeln!(f, "{ANY:method$}  {:path$}  {}", "*", Access::Authenticated)
    }
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Route", 6)?;
        row.serialize_field("method", self.method)?;
        row.serialize_field("path", &self.path)?;
        row.serialize_field("access", self.access.kind())?;
        row.serialize_field("requirement", &self.access.to_string())?;
        row.serialize_field("rule", &self.rule())?;
        row.serialize_field("scopes", &self.scopes())?;
        row.end()
    }
}

impl Serialize for RouteTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (*self.0).serialize(serializer)
    }
}

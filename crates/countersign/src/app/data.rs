//! Tables of routes as data: read from JSON, and made into routes.

use axum::handler::Handler;
use axum::routing::{MethodFilter, any, on};
use countersign_core::authz::Requirement;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::message_without_values;
use matchit::Router as Paths;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::Access;
use super::hidden::is_hidden_route;
use super::routes::Routes;
use super::table::{ANY, Route, RouteTable};

/// The longest table that is read, in bytes.
const MAX_TABLE_BYTES: usize = 4 * 1024 * 1024;

/// The most routes of a table that is read.
const MAX_ROUTES: usize = 10_000;

/// The methods of [`Routes`], besides [`ANY`].
const METHODS: [(&str, MethodFilter); 5] = [
    ("GET", MethodFilter::GET),
    ("POST", MethodFilter::POST),
    ("PUT", MethodFilter::PUT),
    ("PATCH", MethodFilter::PATCH),
    ("DELETE", MethodFilter::DELETE),
];

/// A row of the table; `requirement` and `scopes` are for people.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'j> {
    method: String,
    path: String,
    access: String,
    #[serde(borrow, default)]
    rule: Option<&'j RawValue>,
    #[serde(default, rename = "requirement")]
    _requirement: Option<String>,
    #[serde(default, rename = "scopes")]
    _scopes: Option<Vec<String>>,
}

impl RouteTable {
    /// Reads a table, as [`to_json`](Self::to_json) writes it.
    ///
    /// `method` (`GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `ANY`), `path` and `access` are required. `rule` is the requirement as
    /// [data](Requirement#data-form), for the access `required` and no other. `requirement` and `scopes` may be there and are
    /// not read. A member of any other name, a name that occurs twice, a malformed path and two routes that the router cannot
    /// distinguish are faults.
    ///
    /// ```
    /// use countersign::app::RouteTable;
    ///
    /// let table = RouteTable::from_json(
    ///     r#"[{ "method": "GET", "path": "/orders", "access": "required", "rule": { "scope": "orders:read" } },
    ///         { "method": "GET", "path": "/health", "access": "public" }]"#,
    /// )?;
    /// assert_eq!(table.public().count(), 1);
    /// assert_eq!(RouteTable::from_json(&table.to_json())?, table);
    /// let error = RouteTable::from_json(r#"[{ "method": "GET", "path": "/orders", "acess": "public" }]"#).unwrap_err();
    /// assert!(error.to_string().contains("unknown field `acess`"), "{error}");
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// `ConfigError` with every fault, on fields such as `routes[0]`, counted from 0, or `GET /orders`.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fault = |problem: String| ConfigError::new("routes", problem);
        if json.len() > MAX_TABLE_BYTES {
            return Err(fault(format!("longer than {MAX_TABLE_BYTES} bytes; split the table")));
        }
        let rows: Vec<&RawValue> = serde_json::from_str(json).map_err(|error| {
            fault(format!(
                "not the array that RouteTable::to_json writes: {}",
                message_without_values(&error.to_string())
            ))
        })?;
        if rows.len() > MAX_ROUTES {
            return Err(fault(format!("more than {MAX_ROUTES} routes; use wildcards such as /orders/{{*rest}}")));
        }
        let (mut table, mut faults) = (RouteTable::default(), Vec::new());
        for (index, row) in rows.into_iter().enumerate() {
            match route(row.get()) {
                Ok(route) => table.push(route),
                Err(problem) => faults.push(Fault::new(format!("routes[{index}]"), problem)),
            }
        }
        ConfigError::check(faults)?;
        ConfigError::check(path_faults(&table))?;
        Ok(table)
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Makes the routes of a table, all with the same handler: for a service that decides for others, or that forwards.
    ///
    /// ```
    /// use countersign::app::{RouteTable, Routes, protect};
    /// use countersign::prelude::*;
    ///
    /// fn app(table: &RouteTable, verifier: Verifier) -> Result<axum::Router, countersign::error::ConfigError> {
    ///     let routes: Routes = Routes::from_table(table, || async { "allowed" })?;
    ///     Ok(protect(routes, verifier).into())
    /// }
    /// # let _ = app;
    /// ```
    ///
    /// # Errors
    /// `ConfigError` with every path that the router does not take, and every two routes that it cannot distinguish, on fields
    /// such as `GET /orders`.
    #[expect(clippy::needless_pass_by_value, reason = "as every function that takes a handler")]
    pub fn from_table<H: Handler<T, S>, T: 'static>(table: &RouteTable, handler: H) -> Result<Self, ConfigError> {
        ConfigError::check(path_faults(table))?;
        Ok(table.iter().fold(Routes::new(), |routes, route| {
            let handler = match METHODS.iter().find(|(method, _)| *method == route.method()) {
                Some((_, filter)) => on(*filter, handler.clone()),
                None => any(handler.clone()),
            };
            routes.route(route.static_method(), route.path(), route.access().clone(), handler)
        }))
    }
}

fn route(json: &str) -> Result<Route, String> {
    let row: Row<'_> = serde_json::from_str(json).map_err(|error| message_without_values(&error.to_string()))?;
    let known = METHODS.iter().map(|(method, _)| *method).chain([ANY]);
    let method = known.clone().find(|known| *known == row.method).ok_or_else(|| {
        let known: Vec<_> = known.collect();
        format!("method: not one of {}", known.join(", "))
    })?;
    let access = match (row.access.as_str(), row.rule.map(RawValue::get).filter(|rule| *rule != "null")) {
        ("required", Some(rule)) => {
            Access::Required(Requirement::from_json(rule).map_err(|error| format!("rule: {error}"))?)
        }
        ("required", None) => {
            return Err("rule: missing, and the access is required; add the requirement as data".to_owned());
        }
        ("public" | "optional" | "authenticated", Some(_)) => {
            return Err(format!("rule: not evaluated with the access {}; write required, or remove it", row.access));
        }
        ("public", None) => Access::Public,
        ("optional", None) => Access::Optional,
        ("authenticated", None) => Access::Authenticated,
        _ => return Err("access: not one of public, optional, authenticated, required".to_owned()),
    };
    Ok(Route::new(method, row.path, access))
}

/// The faults about which axum's router would panic while these routes are added.
fn path_faults(table: &RouteTable) -> Vec<Fault> {
    let (mut paths, mut faults) = (Paths::new(), Vec::new());
    let mut before: Option<&Route> = None;
    for route in table.iter() {
        let mut fault = |problem: String| {
            faults.push(Fault::new(format!("{} {}", route.method(), route.path()), problem));
        };
        match before {
            Some(before) if before.path() == route.path() => {
                if before.method() == route.method() {
                    fault("in the table twice; remove one of them".to_owned());
                }
            }
            _ => {
                if let Some(problem) = segment_fault(route.path()) {
                    fault(problem.to_owned());
                } else if let Err(error) = paths.insert(route.path(), ()) {
                    fault(format!("the router does not take this path: {error}"));
                }
            }
        }
        before = Some(route);
    }
    faults.extend(hidden_faults(table));
    faults
}

/// The rules of axum's router for the parts of a path.
fn segment_fault(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("the path does not start with /; write one that does");
    }
    path.split('/').find_map(|segment| match segment.as_bytes().first() {
        Some(b':') => Some("a segment starts with a colon; write a parameter as {name}"),
        Some(b'*') => Some("a segment starts with an asterisk; write a wildcard as {*name}"),
        _ => None,
    })
}

/// A hidden route takes all methods of its path, so none of the others may be for every method.
fn hidden_faults(table: &RouteTable) -> impl Iterator<Item = Fault> {
    table.iter().filter(|route| route.method() == ANY && !is_hidden_route(route)).filter_map(move |route| {
        let hidden = table.iter().find(|other| other.path() == route.path() && is_hidden_route(other))?;
        let problem = format!("the path has a hidden route for {}; write one route for each method", hidden.method());
        Some(Fault::new(format!("{ANY} {}", route.path()), problem))
    })
}

#[cfg(test)]
mod tests;

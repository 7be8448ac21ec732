//! Builds an app from a route table that another app has printed.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::any;
use countersign::app::{Access, Protected, Routes, protect};
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::Requirement;
use countersign::verify::Verifier;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

use crate::exit::Failure;
use crate::tools::unique_names;

/// Response header set by a handler that was reached.
const REACHED: &str = "x-countersign-reached";

/// One row of `RouteTable::to_json`; other members are informational.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) method: String,
    pub(super) path: String,
    access: String,
    #[serde(default)]
    rule: Value,
}

/// Every route of an app.
#[derive(Clone, Debug)]
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Reads the JSON of `RouteTable::to_json`.
    pub(super) fn read(json: &str) -> Result<Self, Failure> {
        let rows: Vec<Row> = serde_json::from_str(json).map_err(|error| {
            Failure::usage(format!("the route table is not the output of RouteTable::to_json: {error}"))
        })?;
        // Of two members with one name, the last would be explained, and `Requirement::from_json` refuses them.
        if !unique_names::are_unique(json.as_bytes()) {
            return Err(Failure::usage("the route table has a name twice in one object; write each name once"));
        }
        for row in &rows {
            row.access()?;
        }
        Ok(Table(rows))
    }

    /// The row that matches a request, found by axum's router.
    pub(super) async fn row(&self, method: &str, path: &str) -> Result<Option<&Row>, Failure> {
        let fits =
            |row: &&Row| row.method == "ANY" || row.method == method || (row.method == "GET" && method == "HEAD");
        for (index, row) in self.0.iter().enumerate().filter(|(_, row)| fits(row)) {
            // The router prefers the more specific path, so each candidate is routed among all others.
            let others = self.0.iter().enumerate().filter(|(_, other)| fits(other));
            let router = guarded_build(|| {
                let mut paths: Vec<&str> = Vec::new();
                others.fold(Router::new(), |router: Router, (number, other)| {
                    if paths.contains(&other.path.as_str()) {
                        return router;
                    }
                    paths.push(&other.path);
                    router.route(&other.path, any(move || async move { number.to_string() }))
                })
            })?;
            let request = Request::get(path).body(Body::empty());
            let request = request.map_err(|_| Failure::usage("the path is not a valid URL path"))?;
            let Ok(answer) = router.oneshot(request).await;
            let body = axum::body::to_bytes(answer.into_body(), 64).await.unwrap_or_default();
            if std::str::from_utf8(&body).is_ok_and(|found| found == index.to_string()) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The app with these routes, protected by `protect`; its handlers mark their response.
    pub(super) fn app(&self, verifier: Verifier) -> Result<Protected, Failure> {
        let reached = || async { [(REACHED, "yes")] };
        let accesses = self.0.iter().map(Row::access).collect::<Result<Vec<Access>, Failure>>()?;
        guarded_build(move || {
            let routes = self.0.iter().zip(accesses).fold(Routes::new(), |routes: Routes, (row, access)| {
                let path = row.path.as_str();
                match row.method.as_str() {
                    "GET" => routes.get(path, access, reached),
                    "POST" => routes.post(path, access, reached),
                    "PUT" => routes.put(path, access, reached),
                    "PATCH" => routes.patch(path, access, reached),
                    "DELETE" => routes.delete(path, access, reached),
                    _ => routes.service(
                        path,
                        access,
                        tower::service_fn(move |_| async move {
                            Ok::<_, std::convert::Infallible>(axum::response::IntoResponse::into_response([(
                                REACHED, "yes",
                            )]))
                        }),
                    ),
                }
            });
            protect(routes, AuthenticateLayer::new(verifier))
        })
    }
}

impl Row {
    fn access(&self) -> Result<Access, Failure> {
        Ok(match self.access.as_str() {
            "public" => Access::Public,
            "optional" => Access::Optional,
            "authenticated" => Access::Authenticated,
            "required" => Access::Required(self.rule()?),
            other => {
                return Err(Failure::usage(format!("{}: not a known route access", crate::output::safe(other))));
            }
        })
    }

    /// The requirement; an error if the row has none.
    pub(super) fn rule(&self) -> Result<Requirement, Failure> {
        let fault =
            |problem: &str| Failure::usage(format!("{} {}: {problem}", self.method, crate::output::safe(&self.path)));
        if self.rule.is_null() {
            return Err(fault("the row has no rule; print the table with RouteTable::to_json of this version"));
        }
        Requirement::from_json(&self.rule.to_string()).map_err(|error| fault(&error.to_string()))
    }

    /// The faults of the row that refuse every caller: path parameters that the requirement names and the path lacks.
    pub(super) fn faults(&self) -> Vec<String> {
        let Ok(rule) = self.rule() else { return Vec::new() };
        let routes: Routes = Routes::new().get(&self.path, rule, || async {});
        let Err(error) = routes.table().check_config() else { return Vec::new() };
        error.faults().iter().map(|fault| fault.problem.clone().into_owned()).collect()
    }

    /// The requirement as text.
    pub(super) fn text(&self) -> String {
        self.rule().map_or_else(|_| self.access.clone(), |rule| rule.to_string())
    }
}

/// Returns whether a handler was reached.
pub(super) fn is_reached(response: &Response<Body>) -> bool {
    response.headers().contains_key(REACHED)
}

/// Catches panics of `build`: axum panics on malformed paths while routes are added; these paths come from a file.
fn guarded_build<T>(build: impl FnOnce() -> T) -> Result<T, Failure> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build));
    std::panic::set_hook(hook);
    built.map_err(|_| Failure::usage("the route table has a malformed path or a duplicate route"))
}

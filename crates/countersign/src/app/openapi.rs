//! Security requirements of an OpenAPI document, from the table of routes.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, PathItem};

use super::access::Access;
use super::table::{ANY, Route, RouteTable};
use crate::telemetry;

impl RouteTable {
    /// Writes the table into an OpenAPI document: a security scheme of this name (a JWT as bearer token), and for each
    /// operation whether it needs a token, with the scopes that every caller needs.
    ///
    /// It replaces the security of the document. An operation that is not a route of the table needs a token, as it does in
    /// the app. The text of a requirement is added to the operation's description.
    ///
    /// ```
    /// use countersign::app::{Access, Routes};
    /// use countersign::prelude::*;
    /// use utoipa::openapi::{HttpMethod, OpenApiBuilder, PathsBuilder, PathItem, path::Operation};
    ///
    /// let routes: Routes = Routes::new().get("/orders", scope("orders:read"), || async { "orders" });
    /// let paths = PathsBuilder::new().path("/orders", PathItem::new(HttpMethod::Get, Operation::new()));
    /// let mut document = OpenApiBuilder::new().paths(paths).build();
    /// routes.table().secure(&mut document, "bearer");
    /// let text = serde_json::to_string(&document)?;
    /// assert!(text.contains(r#""security":[{"bearer":["orders:read"]}]"#));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// Returns what the two do not have in common, and logs it at WARN: paths are compared as they are written, so `/orders/` is
    /// not `/orders`.
    pub fn secure(&self, document: &mut OpenApi, scheme: &str) -> Unmatched {
        let components = document.components.get_or_insert_with(Components::new);
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme(scheme, SecurityScheme::Http(bearer));
        document.security = Some(vec![SecurityRequirement::new(scheme, NO_SCOPES)]);
        let mut unmatched = Unmatched::default();
        let mut described = vec![false; self.iter().count()];
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                let index = self.index_of(method, path);
                self.secure_operation(index, operation, scheme);
                match index.and_then(|index| described.get_mut(index)) {
                    Some(is_described) => *is_described = true,
                    None => unmatched.operations.push(format!("{method} {path}")),
                }
            }
        }
        let routes = self.iter().zip(described).filter(|(route, is_described)| !is_described && !is_catch_all(route));
        unmatched.routes = routes.map(|(route, _)| format!("{} {}", route.method(), route.path())).collect();
        if !unmatched.is_empty() {
            telemetry::unmatched_operations(&unmatched.operations, &unmatched.routes);
        }
        unmatched
    }

    /// The route of an operation: that of its method, or that of every method.
    fn index_of(&self, method: &str, path: &str) -> Option<usize> {
        let of = |method| self.iter().position(|route| route.path() == path && route.method() == method);
        of(method).or_else(|| of(ANY))
    }

    fn secure_operation(&self, index: Option<usize>, operation: &mut Operation, scheme: &str) {
        let route = index.and_then(|index| self.iter().nth(index));
        let bearer = |scopes: Vec<&str>| SecurityRequirement::new(scheme, scopes);
        operation.security = Some(match route.map(|route| (route.access(), route.scopes())) {
            None | Some((Access::Authenticated, _)) => vec![bearer(Vec::new())],
            Some((Access::Public, _)) => Vec::new(),
            Some((Access::Optional, _)) => vec![SecurityRequirement::default(), bearer(Vec::new())],
            Some((Access::Required(requirement), scopes)) => {
                let words = format!("Requires {requirement}.");
                let description = operation.description.get_or_insert_default();
                if !description.contains(&words) {
                    let gap = if description.is_empty() { "" } else { "\n\n" };
                    description.push_str(&format!("{gap}{words}"));
                }
                vec![bearer(scopes)]
            }
        });
    }
}

/// The differences between an OpenAPI document and the routes of an app; [`RouteTable::secure`] returns them.
///
/// ```
/// use countersign::app::{Access, Routes};
/// use utoipa::openapi::{HttpMethod, OpenApiBuilder, PathsBuilder, PathItem, path::Operation};
///
/// let routes: Routes = Routes::new().get("/orders", Access::Authenticated, || async { "orders" });
/// let paths = PathsBuilder::new().path("/orders/", PathItem::new(HttpMethod::Get, Operation::new()));
/// let unmatched = routes.table().secure(&mut OpenApiBuilder::new().paths(paths).build(), "bearer");
/// assert_eq!((unmatched.operations, unmatched.routes), (vec!["GET /orders/".into()], vec!["GET /orders".into()]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmatched {
    /// Operations that no route answers, as `GET /orders/`: they need a token, and say nothing of scopes.
    pub operations: Vec<String>,
    /// Routes that the document does not describe. Routes for all paths below one are left out.
    pub routes: Vec<String>,
}

impl Unmatched {
    /// Returns whether document and routes agree.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.routes.is_empty()
    }
}

fn is_catch_all(route: &Route) -> bool {
    route.path().contains("{*")
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let methods = [
        ("GET", &mut item.get),
        ("HEAD", &mut item.head),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
        ("OPTIONS", &mut item.options),
        ("TRACE", &mut item.trace),
    ];
    methods.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

const NO_SCOPES: [&str; 0] = [];

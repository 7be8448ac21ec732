//! The route of a request, as the router finds it.

use std::fmt;

use matchit::Router as Paths;

use super::hidden::is_hidden_route;
use super::table::{ANY, Route, RouteTable};

/// Finds the route of a request by method and path, as the router of the same table does.
///
/// ```
/// use countersign::app::{RouteMatcher, RouteTable};
///
/// let table = RouteTable::from_json(
///     r#"[{ "method": "GET", "path": "/orders/{id}", "access": "authenticated" },
///         { "method": "POST", "path": "/orders/new", "access": "authenticated" }]"#,
/// )?;
/// let matcher = RouteMatcher::new(&table);
/// assert_eq!(matcher.route_of("HEAD", "/orders/7").map(|route| route.path()), Some("/orders/{id}"));
/// assert_eq!(matcher.route_of("GET", "/orders/new"), None); // 405
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct RouteMatcher {
    /// The routes of each path.
    paths: Paths<Vec<Route>>,
    /// The same without hidden routes, if there are some: the router answers as if those did not exist.
    without_hidden: Option<Paths<Vec<Route>>>,
}

impl RouteMatcher {
    /// A matcher for the routes of this table. Paths that no router takes match nothing.
    #[must_use]
    pub fn new(table: &RouteTable) -> Self {
        let visible = || table.iter().filter(|route| !is_hidden_route(route));
        let has_hidden = table.iter().any(is_hidden_route);
        RouteMatcher { paths: by_path(table.iter()), without_hidden: has_hidden.then(|| by_path(visible())) }
    }

    /// The route; `None` for a path or method that is not in the table.
    ///
    /// `path` is that of the request, without its query. `HEAD` is a request for the route of `GET`. The most specific path is
    /// chosen before the method is compared. A [hidden](countersign_core::authz::Requirement::hidden) route is the route of its
    /// requests, although another one answers those that it refuses.
    #[must_use]
    pub fn route_of(&self, method: &str, path: &str) -> Option<&Route> {
        let routes = self.paths.at(path).ok()?.value;
        if !routes.iter().any(is_hidden_route) {
            return of_method(routes, method, |route| route);
        }
        let hidden = of_method(routes, method, |route| route).filter(|route| is_hidden_route(route));
        hidden.or_else(|| of_method(self.without_hidden.as_ref()?.at(path).ok()?.value, method, |route| route))
    }
}

fn by_path<'t>(routes: impl Iterator<Item = &'t Route>) -> Paths<Vec<Route>> {
    let routes: Vec<&Route> = routes.collect();
    let mut paths = Paths::new();
    for of_path in routes.chunk_by(|one, other| one.path() == other.path()) {
        if let Some(first) = of_path.first() {
            let _ = paths.insert(first.path(), of_path.iter().map(|route| (*route).clone()).collect());
        }
    }
    paths
}

/// The route of a request with this method, among those of one path.
pub(super) fn of_method<'r, R>(routes: &'r [R], method: &str, route: impl Fn(&R) -> &Route) -> Option<&'r R> {
    let of = |method: &str| routes.iter().find(|of_path| route(of_path).method() == method);
    of(method).or_else(|| of("GET").filter(|_| method == "HEAD")).or_else(|| of(ANY))
}

impl fmt::Debug for RouteMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMatcher").finish_non_exhaustive()
    }
}

//! Security requirements of an OpenAPI document, from the table of routes.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, PathItem};

use super::access::Access;
use super::table::{ANY, RouteTable};

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
    pub fn secure(&self, document: &mut OpenApi, scheme: &str) {
        let components = document.components.get_or_insert_with(Components::new);
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme(scheme, SecurityScheme::Http(bearer));
        document.security = Some(vec![SecurityRequirement::new(scheme, NO_SCOPES)]);
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                self.secure_operation(method, path, operation, scheme);
            }
        }
    }

    fn secure_operation(&self, method: &str, path: &str, operation: &mut Operation, scheme: &str) {
        let route = self
            .iter()
            .find(|route| route.path() == path && matches!(route.method(), known if known == method || known == ANY));
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

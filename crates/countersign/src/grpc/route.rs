//! The method of a request as its route in audit events, where tonic's router has only its service.

use http::Request;

use crate::audit::{RoutePattern, Trail};

/// The pattern of a service in tonic's router, after the name of the service.
const ANY_METHOD: &str = "/{*rest}";

/// The longest name of a method. Longer ones, which anybody can write, stay the pattern of the service.
const MAX_METHOD_BYTES: usize = 64;

/// Names the method of a request with an audit log behind tonic's router: `/package.Service/Method`.
pub(super) fn name_method<B>(request: &mut Request<B>) {
    if Trail::of(request.extensions()).is_none() || request.extensions().get::<RoutePattern>().is_some() {
        return;
    }
    if let Some(route) = route(request) {
        request.extensions_mut().insert(RoutePattern::new(route));
        let _ = Trail::routed(request.extensions()); // takes it over
    }
}

#[cfg(feature = "axum")]
fn route<B>(request: &Request<B>) -> Option<String> {
    let pattern = request.extensions().get::<axum::extract::MatchedPath>()?.as_str();
    method_of(pattern, request.uri().path()).map(str::to_owned)
}

#[cfg(not(feature = "axum"))]
fn route<B>(_: &Request<B>) -> Option<String> {
    None
}

/// The path, if it is that of a method of the service in the pattern: an identifier of Protocol Buffers.
#[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "only axum's router tells the pattern"))]
fn method_of<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let service = pattern.strip_suffix(ANY_METHOD)?;
    let method = path.strip_prefix(service)?.strip_prefix('/')?;
    let is_identifier = method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_identifier && (1..=MAX_METHOD_BYTES).contains(&method.len())).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_04_only_an_identifier_of_a_known_service_is_a_method() {
        let of = |path| method_of("/shop.v1.Orders/{*rest}", path);
        for path in ["/shop.v1.Orders/Get", "/shop.v1.Orders/get_2"] {
            assert_eq!(of(path), Some(path));
        }
        let long = format!("/shop.v1.Orders/{}", "x".repeat(MAX_METHOD_BYTES + 1));
        for path in [
            "/shop.v1.Orders/",
            "/shop.v1.Orders",
            "/shop.v1.Orders/Get/17",
            "/shop.v1.Orders/G%20t",
            "/shop.v1.Orders/a@b",
            "/shop.v1.OrdersX/Get",
            "/shop.v1.Stock/Get",
            &long,
        ] {
            assert_eq!(of(path), None, "{path}");
        }
        assert_eq!(method_of("/orders/{id}", "/orders/17"), None);
    }
}

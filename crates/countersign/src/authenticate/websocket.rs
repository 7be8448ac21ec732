//! A token among the subprotocols of a WebSocket handshake.

use http::{HeaderMap, HeaderValue, Method, Request, header};

/// Prefix of a subprotocol that is a token.
const BEARER_PROTOCOL: &str = "bearer.";

/// The tokens among the subprotocols that a WebSocket handshake offers.
pub(super) fn protocol_tokens<B>(request: &Request<B>) -> impl Iterator<Item = &str> {
    let lines = is_websocket(request).then(|| request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter());
    let offers = lines.into_iter().flatten().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    offers.filter_map(|offer| offer.trim().strip_prefix(BEARER_PROTOCOL))
}

/// Removes the tokens from the subprotocols, so that no handler can choose one and send it back.
pub(super) fn strip_protocol_tokens(headers: &mut HeaderMap) {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let others: Vec<&str> = offers
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|offer| !offer.is_empty() && !offer.starts_with(BEARER_PROTOCOL))
        .collect();
    match HeaderValue::from_str(&others.join(", ")) {
        Ok(value) if !others.is_empty() => headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value),
        _ => headers.remove(header::SEC_WEBSOCKET_PROTOCOL),
    };
}

/// Returns whether the request is a WebSocket handshake: an upgrade in HTTP/1.1, `CONNECT` in HTTP/2.
///
/// An upgrade to several protocols counts: some servers of WebSockets accept it.
pub(super) fn is_websocket<B>(request: &Request<B>) -> bool {
    let mut upgrades =
        request.headers().get_all(header::UPGRADE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    *request.method() == Method::CONNECT || upgrades.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

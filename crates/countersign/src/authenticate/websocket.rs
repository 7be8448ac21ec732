//! A token among the subprotocols of a WebSocket handshake.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

/// Prefix of a subprotocol that is a token.
const BEARER_PREFIX: &str = "bearer.";

/// The subprotocol before the one that is a token.
const BEARER: &str = "bearer";

/// Prefix of a subprotocol that is an encoded token, as clients of Kubernetes write it.
const KUBERNETES_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// The forms in which a handshake may offer a token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TokenProtocols {
    /// `bearer.TOKEN`.
    pub(super) prefixed: bool,
    /// `bearer, TOKEN`.
    pub(super) pair: bool,
    /// `base64url.bearer.authorization.k8s.io.TOKEN`, encoded.
    pub(super) kubernetes: bool,
}

/// An offered subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer<'r> {
    /// A subprotocol that a service may choose.
    Name(&'r str),
    /// A token.
    Token(&'r str),
    /// A token, encoded as base64url once more.
    Encoded(&'r str),
}

impl TokenProtocols {
    pub(super) fn is_off(self) -> bool {
        !(self.prefixed || self.pair || self.kubernetes)
    }

    /// The subprotocols that a WebSocket handshake offers.
    pub(super) fn offered<B>(self, request: &Request<B>) -> impl Iterator<Item = Offer<'_>> {
        let headers = is_websocket(request).then(|| request.headers());
        headers.into_iter().flat_map(move |headers| self.offers(headers))
    }

    /// Removes the tokens from the subprotocols, so that no handler can choose one and send it back.
    pub(super) fn strip(self, headers: &mut HeaderMap) {
        let names = self.offers(headers).filter_map(|offer| match offer {
            Offer::Name(name) => Some(name),
            Offer::Token(_) | Offer::Encoded(_) => None,
        });
        let names: Vec<&str> = names.collect();
        match HeaderValue::from_str(&names.join(", ")) {
            Ok(value) if !names.is_empty() => headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value),
            _ => headers.remove(header::SEC_WEBSOCKET_PROTOCOL),
        };
    }

    /// The status of an accepted handshake that offers the pair; `None` for any other request.
    pub(super) fn pair_status<B>(self, request: &Request<B>) -> Option<StatusCode> {
        let is_pair = self.pair && self.offered(request).any(|offer| offer == Offer::Name(BEARER));
        is_pair.then(|| match *request.method() {
            Method::CONNECT => StatusCode::OK,
            _ => StatusCode::SWITCHING_PROTOCOLS,
        })
    }

    /// Returns whether the headers offer a token.
    pub(super) fn have_token(self, headers: &HeaderMap) -> bool {
        !self.is_off() && self.offers(headers).any(|offer| !matches!(offer, Offer::Name(_)))
    }

    fn offers(self, headers: &HeaderMap) -> impl Iterator<Item = Offer<'_>> {
        let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
        let offers = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|offer| !offer.is_empty());
        let mut is_after_bearer = false;
        offers.map(move |offer| {
            if std::mem::take(&mut is_after_bearer) {
                return Offer::Token(offer);
            }
            is_after_bearer = self.pair && offer == BEARER;
            let after = |is_on: bool, prefix| is_on.then(|| offer.strip_prefix(prefix)).flatten();
            if let Some(token) = after(self.prefixed, BEARER_PREFIX) {
                Offer::Token(token)
            } else if let Some(token) = after(self.kubernetes, KUBERNETES_PREFIX) {
                Offer::Encoded(token)
            } else {
                Offer::Name(offer)
            }
        })
    }
}

/// Answers `bearer` to a handshake that offered the pair, if the service chose no subprotocol: browsers end a connection whose
/// offers are all ignored.
pub(super) fn answer_pair<B>(response: &mut Response<B>, accepted: StatusCode) {
    if response.status() == accepted && !response.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(BEARER));
    }
}

/// Returns whether the request is a WebSocket handshake: an upgrade in HTTP/1.1, `CONNECT` in HTTP/2.
///
/// An upgrade to several protocols counts: some servers of WebSockets accept it.
pub(super) fn is_websocket<B>(request: &Request<B>) -> bool {
    let mut upgrades =
        request.headers().get_all(header::UPGRADE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    *request.method() == Method::CONNECT || upgrades.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

//! Locations of a token besides the `Authorization` header; each is off by default.

use countersign_core::error::Fault;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};

use super::cookie::CookieToken;
use super::header::{HeaderToken, RESERVED};
use super::query::{has_token, without_tokens};
use super::websocket::TokenProtocols;

/// The further locations in which a layer accepts a token.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenLocations {
    pub(super) cookie: Option<CookieToken>,
    pub(super) header: Option<HeaderToken>,
    /// The header of API keys.
    pub(super) api_key: Option<HeaderName>,
    pub(super) protocols: TokenProtocols,
    pub(super) query: bool,
    /// Takes the scheme `DPoP` beside `Bearer`.
    pub(super) dpop: bool,
    /// Leaves a `Basic` credential in the `Authorization` header to a proxy, instead of counting it.
    pub(super) ignores_basic: bool,
}

impl TokenLocations {
    /// Returns whether the `Authorization` header is the only location.
    pub(super) fn is_header_only(&self) -> bool {
        self.cookie.is_none()
            && self.header.is_none()
            && self.api_key.is_none()
            && self.protocols.is_off()
            && !self.query
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        let header = self.header.iter().flat_map(HeaderToken::faults);
        let is_taken = |name: &HeaderName| {
            RESERVED.contains(name) || self.header.as_ref().is_some_and(|header| header.is_named(name))
        };
        let problem = "the header of API keys has a meaning of its own; choose another, such as x-api-key";
        let api_key =
            self.api_key.iter().filter(move |name| is_taken(name)).map(move |_| Fault::new("api_keys", problem));
        self.cookie.iter().flat_map(CookieToken::faults).chain(header).chain(api_key)
    }

    /// Returns whether these headers or this address seem to have a token. Its form is not checked.
    pub(super) fn seem_to_have_token(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let is_of = |line: &HeaderValue, scheme: &[u8]| {
            line.as_bytes().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let is_token = |line: &HeaderValue| is_of(line, b"bearer ") || (self.dpop && is_of(line, b"dpop "));
        headers.get(header::AUTHORIZATION).is_some_and(is_token)
            || self.cookie.as_ref().is_some_and(|cookie| cookie.values(headers).next().is_some())
            || self.header.as_ref().is_some_and(|header| header.values(headers).next().is_some())
            || self.api_key.as_ref().and_then(|name| headers.get(name)).is_some_and(|key| !key.is_empty())
            || self.protocols.have_token(headers)
            || (self.query && uri.query().is_some_and(has_token))
    }

    /// Hides the token from services behind the layer, which might log it or send it back.
    pub(super) fn hide_token<B>(&self, request: &mut Request<B>) {
        // `Debug` of headers does not show a value that is marked sensitive.
        if let Some(line) = request.headers_mut().get_mut(header::AUTHORIZATION) {
            line.set_sensitive(true);
        }
        if self.dpop || !self.is_header_only() {
            self.hide_others(request);
        }
    }

    #[inline(never)]
    fn hide_others<B>(&self, request: &mut Request<B>) {
        if self.dpop
            && let Some(line) = request.headers_mut().get_mut("dpop")
        {
            line.set_sensitive(true);
        }
        if self.cookie.is_some()
            && let header::Entry::Occupied(mut lines) = request.headers_mut().entry(header::COOKIE)
        {
            lines.iter_mut().for_each(|line| line.set_sensitive(true));
        }
        if let Some(header) = &self.header {
            header.hide(request.headers_mut());
        }
        if let Some(name) = &self.api_key
            && let header::Entry::Occupied(mut lines) = request.headers_mut().entry(name)
        {
            lines.iter_mut().for_each(|line| line.set_sensitive(true));
        }
        if !self.protocols.is_off() {
            self.protocols.strip(request.headers_mut());
        }
        if self.query {
            strip_query_tokens(request.uri_mut());
            #[cfg(feature = "axum")]
            if let Some(original) = request.extensions_mut().get_mut::<axum::extract::OriginalUri>() {
                strip_query_tokens(&mut original.0);
            }
        }
    }
}

fn strip_query_tokens(uri: &mut Uri) {
    let Some(query) = uri.query() else { return };
    let path = uri.path();
    let rest = without_tokens(query).map_or(path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = rest.parse().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

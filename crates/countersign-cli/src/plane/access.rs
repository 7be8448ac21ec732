//! The services that a caller may report for, and the refusal of requests by their heads.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign::verify::Verified;

use crate::exit::Failure;
use crate::fetch::is_loopback;
use crate::server::{is_from_another_page, only, with_headers};

/// The clients that report for services of other names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    clients: BTreeMap<String, String>,
}

impl Access {
    /// From options of the form `SERVICE=CLIENT`.
    pub(crate) fn from_options(options: &[String]) -> Result<Self, Failure> {
        let mut clients = BTreeMap::new();
        for option in options {
            let names = option.split_once('=').filter(|(service, client)| !service.is_empty() && !client.is_empty());
            let (service, client) =
                names.ok_or_else(|| Failure::usage("--client: write SERVICE=CLIENT, such as orders=orders-backend"))?;
            if clients.insert(service.to_owned(), client.to_owned()).is_some() {
                return Err(Failure::usage(format!("--client: {service} has two clients; name one")));
            }
        }
        Ok(Access { clients })
    }

    /// Returns whether the caller may report for this service: its client, or its subject if it has none, has the name of the
    /// service, or the name that an option gives.
    pub(crate) fn may_report(&self, caller: &Verified, service: &str) -> bool {
        let name = self.clients.get(service).map_or(service, String::as_str);
        !caller.is_client_unknown() && caller.client_id().unwrap_or(caller.subject()) == name
    }
}

/// The refusal of a request that another page sent, or that came by another name than this machine's. A plane without a policy
/// has no other protection.
pub(crate) fn refusal(request: &Parts) -> Option<Response> {
    check(request).err().map(|problem| with_headers((StatusCode::FORBIDDEN, problem).into_response()))
}

fn check(request: &Parts) -> Result<(), &'static str> {
    let host = only(&request.headers, header::HOST.as_str()).and_then(|host| host.parse().ok());
    let authority: axum::http::uri::Authority = host.ok_or("exactly one Host header is required\n")?;
    let named = request.uri.authority().is_none_or(|named| is_loopback(named.host()));
    if !is_loopback(authority.host()) || !named {
        return Err("without a policy, this server only serves its loopback address\n");
    }
    if is_from_another_page(&request.headers) {
        return Err("another page sent this request\n");
    }
    // Pages of browsers without that header need a preflight for this type.
    let kind = request.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match request.method == Method::POST && kind != Some("application/json") {
        true => Err("the content type is not application/json\n"),
        false => Ok(()),
    }
}

//! The running service of a configuration file, otherwise its store.

use std::path::Path;
use std::time::Duration;

use countersign::keys::from_config;
use countersign_issuer::IssuerConfig;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use super::control::{self, Answer, ControlFile, ControlRequest, Hello, Order, Welcome};
use crate::exit::Failure;
use crate::tools::secret;
use crate::{fetch, input, output, runtime};

/// Timeout for the proof of a service that it has its secret.
const PROOF_WITHIN: Duration = Duration::from_secs(5);

/// Timeout for the outcome of a request, which the service may be carrying out.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The outcome of a request, or the reason why nothing was done.
pub(super) type ControlResult = Result<Value, String>;

/// The outcome of a request to the running service.
pub(super) enum InService {
    Answer(ControlResult),
    /// No service has received it.
    Nobody,
    /// A service has received it; it is not known whether it was carried out.
    Unknown,
}

/// Sends the request to the running service, if there is one.
pub(super) fn in_service(config: &IssuerConfig, file: &Path, request: &ControlRequest) -> Result<InService, Failure> {
    let Some(path) = control::path(config, file).filter(|path| path.exists()) else { return Ok(InService::Nobody) };
    let control: ControlFile = serde_json::from_str(&input::file(&path.to_string_lossy())?)
        .map_err(|_| Failure::usage(format!("{}: not a control file", path.display())))?;
    let runtime = runtime::current_thread()?;
    let text = serde_json::to_string(request).unwrap_or_default();
    match runtime.block_on(exchange(&control, &fetch::address(&control.url)?, text)) {
        Exchange::Answer(json) => Ok(InService::Answer(match json["error"].as_str() {
            None => Ok(json),
            Some(problem) => Err(problem.to_owned()),
        })),
        Exchange::Unknown => Ok(InService::Unknown),
        // The service was killed and left its control file; the store's lock decides.
        Exchange::Nobody => Ok(InService::Nobody),
        Exchange::Unproven => {
            output::warn(&format!(
                "{}: the service at {} does not have its secret and received no request; trying the store",
                path.display(),
                control.url
            ));
            Ok(InService::Nobody)
        }
    }
}

/// The outcome of an exchange with the control endpoint.
enum Exchange {
    Answer(Value),
    /// No connection, or no answer; the request was not sent.
    Nobody,
    /// Somebody answered who does not have the secret; the request was not sent.
    Unproven,
    /// The request was sent, and no proven answer came.
    Unknown,
}

/// Sends the request once the service has proved that it has the secret, and takes only an answer with such a proof.
async fn exchange(control: &ControlFile, url: &Url, request: String) -> Exchange {
    let own = secret::random();
    let (Ok(hello), nonce) = (url.join("hello"), own.as_str()) else { return Exchange::Nobody };
    let Some(answered) = post(&hello, &Hello { nonce: nonce.to_owned() }, PROOF_WITHIN).await else {
        return Exchange::Nobody;
    };
    let welcome = serde_json::from_slice::<Welcome>(&answered).ok();
    let is_proven = |welcome: &Welcome| {
        secret::is_same(&welcome.proof, &control::proof(&control.secret, ["welcome", nonce, &welcome.nonce]))
    };
    let Some(welcome) = welcome.filter(is_proven) else { return Exchange::Unproven };
    let proof = control::proof(&control.secret, ["request", &welcome.nonce, &request]);
    let order = Order { nonce: welcome.nonce.clone(), request, proof };
    let Some(answered) = post(url, &order, ANSWER_WITHIN).await else { return Exchange::Unknown };
    let Ok(Answer { answer, proof }) = serde_json::from_slice(&answered) else { return Exchange::Unknown };
    if !secret::is_same(&proof, &control::proof(&control.secret, ["answer", &welcome.nonce, &answer])) {
        return Exchange::Unknown;
    }
    serde_json::from_str(&answer).map_or(Exchange::Unknown, Exchange::Answer)
}

async fn post(url: &Url, message: &impl serde::Serialize, limit: Duration) -> Option<Vec<u8>> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let body = serde_json::to_vec(message).unwrap_or_default();
    fetch::send_within(limit, &fetch::ConnectionOptions::default(), Method::POST, url, headers, body)
        .await
        .ok()
        .map(|answer| answer.body)
}

/// Works on the store directly; a file store refuses while a service holds its lock.
pub(super) fn in_store(config: &IssuerConfig, request: &ControlRequest) -> Result<ControlResult, Failure> {
    if config.store.is_none() {
        return Err(Failure::usage(
            "no service with this configuration answers, and the configuration names no store: nothing to rotate or revoke",
        ));
    }
    let runtime = runtime::with_threads(1)?;
    let _within = runtime.enter(); // keys of federated issuers are fetched from it
    let issuer = config.build_with(from_config)?;
    Ok(control::execute(&issuer, request))
}

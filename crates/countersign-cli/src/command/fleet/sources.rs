//! The reports to compare: of a plane, of files, of services.

use std::time::Duration;

use clap::Args;
use countersign::fleet::FleetReport;
use countersign::keys;
use countersign::policy::CanonicalPolicy;
use countersign::verify::Verifier;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use crate::command::bundle::{PolicyDocument, read_document};
use crate::exit::Failure;
use crate::fetch::{self, ConnectionOptions};
use crate::output::{self, Tone, toned};
use crate::plane::{Instance, Reference};
use crate::{input, runtime};

/// Timeout for the answer of a service or a plane.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The largest answer of a plane, in bytes: as much as it may have in memory.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The place of the reports.
#[derive(Args)]
#[group(id = "source", required = true, multiple = false, args = ["plane", "report", "service"])]
pub(super) struct Sources {
    /// Read the reports of this plane
    #[arg(long, value_name = "URL")]
    plane: Option<String>,
    /// Read a report from this file; may be repeated
    #[arg(long, value_name = "FILE")]
    report: Vec<String>,
    /// Ask this service for its report, at its route; may be repeated
    #[arg(long, value_name = "URL")]
    service: Vec<String>,
    /// The token for the plane or the services: the token, - for standard input, or @FILE. Default: $COUNTERSIGN_TOKEN if it is set
    #[arg(long, value_name = "TOKEN", conflicts_with = "report")]
    token: Option<String>,
    /// Compare with this bundle, or with this policy in TOML or JSON. NOT VERIFIED
    #[arg(long, value_name = "FILE")]
    bundle: Option<String>,
    /// Only the instances whose bundle is of this fleet; may be repeated
    #[arg(long, value_name = "FLEET")]
    only_fleet: Vec<String>,
    /// Only the instances of this service; may be repeated
    #[arg(long, value_name = "SERVICE")]
    only_service: Vec<String>,
    #[command(flatten)]
    connection: ConnectionOptions,
}

/// The reports, and the reasons why some are missing.
pub(super) struct Found {
    pub(super) instances: Vec<Instance>,
    pub(super) unreachable: Vec<Unreachable>,
}

/// A place without an answer.
#[derive(Serialize)]
pub(super) struct Unreachable {
    url: String,
    problem: String,
}

/// A line for each place without an answer.
pub(super) fn print_unreachable(all: &[Unreachable]) -> Result<(), Failure> {
    all.iter()
        .try_for_each(|one| output::line(&toned(Tone::Bad, &output::safe(&format!("{}: {}", one.url, one.problem)))))
}

/// A policy to compare with.
pub(super) struct Expected {
    pub(super) reference: Reference,
    pub(super) policy: CanonicalPolicy,
}

#[derive(Deserialize)]
struct PlaneAnswer {
    instances: Vec<Instance>,
}

impl Sources {
    /// Reads the reports that are asked for; with the rules in force if `has_policies`.
    pub(super) fn read(&self, has_policies: bool) -> Result<Found, Failure> {
        let mut found = self.read_all(has_policies)?;
        found.instances.retain(|instance| self.is_asked_for(&instance.report));
        Ok(found)
    }

    fn is_asked_for(&self, report: &FleetReport) -> bool {
        let fleet = report.bundle.as_ref().map(|bundle| &bundle.fleet);
        (self.only_fleet.is_empty() || fleet.is_some_and(|fleet| self.only_fleet.contains(fleet)))
            && (self.only_service.is_empty() || self.only_service.contains(&report.service))
    }

    fn read_all(&self, has_policies: bool) -> Result<Found, Failure> {
        let mut found = Found { instances: Vec::new(), unreachable: Vec::new() };
        for path in &self.report {
            let named = |problem: String| Failure::usage(format!("{path}: {problem}"));
            let text = input::file(path)?;
            let report = FleetReport::from_json(text.trim()).map_err(|error| named(error.to_string()))?;
            found.instances.push(Instance::asked(report));
        }
        let urls: Vec<Url> = match &self.plane {
            Some(plane) => vec![fetch::address(&format!("{}/v1/fleet", plane.trim_end_matches('/')))?],
            None => self.service.iter().map(|url| fetch::address(url)).collect::<Result<_, _>>()?,
        };
        if urls.is_empty() {
            return Ok(found);
        }
        let token = self.token()?;
        runtime::current_thread()?.block_on(async {
            for mut url in urls {
                if has_policies {
                    url.set_query(Some("policy"));
                }
                match self.ask(&url, token.as_deref()).await {
                    Ok(instances) => found.instances.extend(instances),
                    Err(problem) => found.unreachable.push(Unreachable { url: shown(&url), problem }),
                }
            }
        });
        Ok(found)
    }

    /// The policy of `--bundle`, as a service builds it.
    pub(super) fn expected(&self) -> Result<Option<Expected>, Failure> {
        let Some(path) = &self.bundle else { return Ok(None) };
        let PolicyDocument { policy, fleet, revision } = read_document(path)?;
        let verifier = Verifier::builder().policy(&policy, keys::from_config).build();
        let verifier = verifier.map_err(|error| Failure::usage(format!("{path}: {error}")))?;
        let reference = Reference { fleet, revision, fingerprint: verifier.fingerprint().to_string() };
        Ok(Some(Expected { reference, policy: verifier.canonical_policy() }))
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let is_set = || std::env::var(input::TOKEN_VARIABLE).is_ok_and(|token| !token.is_empty());
        match &self.token {
            Some(named) => input::token(Some(named)).map(Some),
            None if is_set() => input::token(None).map(Some),
            None => Ok(None),
        }
    }

    /// The instances at this address; `Err` is the reason why there are none.
    async fn ask(&self, url: &Url, token: Option<&str>) -> Result<Vec<Instance>, String> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let value = fetch::bearer(token).ok_or("the token has characters that no header can have")?;
            headers.insert(AUTHORIZATION, value);
        }
        let limits = (ANSWER_WITHIN, MAX_ANSWER_BYTES);
        let fetched = fetch::send_bounded(limits, &self.connection, Method::GET, url, headers, Vec::new()).await?;
        if fetched.status != 200 {
            let hint =
                if matches!(fetched.status, 401 | 403) { "; a token is needed that may read it: --token" } else { "" };
            return Err(format!("{}{hint}", fetched.status_text()));
        }
        let unreadable = |_| "the response is not text".to_owned();
        let text = String::from_utf8(fetched.body).map_err(unreadable)?;
        if fetched.is_cut {
            return Err("the response is larger than 64 MiB".to_owned());
        }
        if self.plane.is_none() {
            let report = FleetReport::from_json(&text).map_err(|error| error.to_string())?;
            return Ok(vec![Instance::asked(report)]);
        }
        let answer: PlaneAnswer =
            serde_json::from_str(&text).map_err(|_| "the response is not that of a plane".to_owned())?;
        // Each is read like one from anywhere.
        let read = answer.instances.into_iter().map(|instance| {
            let report = FleetReport::from_json(&instance.report.to_json()).map_err(|error| error.to_string())?;
            Ok(Instance { report, ..instance })
        });
        read.collect()
    }
}

/// The address without its query.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    output::safe(url.as_str())
}

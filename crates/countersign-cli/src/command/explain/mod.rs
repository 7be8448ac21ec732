//! `countersign explain`: evaluates a request against a policy and a route table, and compares with a live service.

mod authorities;
mod table;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use clap::Args;
use countersign::app::{Route, RouteMatcher, RouteTable};
use countersign::authz::Grants;
use countersign::verify::Report;
use countersign_gateway::GatewayConfig;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::fetch::{self, ConnectionOptions};
use crate::input;
use crate::output::{self, Tone, toned};
use crate::verification::{Session, Settings, VerifyOptions, print_checks};
use table::Decider;

/// Maximum size of a local response body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Explain the outcome of a request: the matched rule, the decision, the exact status and challenge.
///
/// The route table is the output of RouteTable::to_json in your app. The command builds an app with these routes behind
/// the library's own layer and guards, and sends the request through it. With --config it is the gateway that decides, which
/// also refuses addresses with two readings and headers that clients may not send. Exit code 0 if a handler is reached, 1 if the
/// request is refused or the live service answers otherwise, 3 if keys are unavailable.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The token, or - for standard input, or @FILE. Default: $COUNTERSIGN_TOKEN, then standard input
    token: Option<String>,
    /// Send no token
    #[arg(long, conflicts_with = "token")]
    no_token: bool,
    /// The method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The path and query; defaults to those of --curl
    #[arg(long, value_name = "PATH", required_unless_present = "curl")]
    path: Option<String>,
    /// A request header: 'Name: value'; may be repeated
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// The route table of the app (JSON); without it, every path requires a token and nothing else
    #[arg(long, value_name = "FILE")]
    routes: Option<String>,
    /// Explain the answer of a gateway: its configuration has policy and routes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["routes", "policy"])]
    config: Option<String>,
    #[command(flatten)]
    options: VerifyOptions,
    /// Send the request to this live service too, and compare the responses
    #[arg(long, value_name = "URL")]
    curl: Option<String>,
    /// Print one JSON object: method, path, route, requirement, decision, status, challenges, body, token, caller, unmet, missing_keys, live
    #[arg(long)]
    json: bool,
}

/// The result of an explanation.
struct Explained {
    route: Option<String>,
    requirement: String,
    decision: &'static str,
    status: u16,
    challenges: Vec<String>,
    body: Value,
    report: Option<Report>,
    /// The authorities of an accepted token, as the policy reads them.
    caller: Option<Grants>,
    /// The parts of the requirement that the caller does not meet.
    unmet: Vec<String>,
    /// The reasons why keys are missing, if the request cannot be decided without them.
    missing_keys: Vec<String>,
    now: i64,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let url = self.curl.as_deref().map(fetch::address).transpose()?;
        let path = match (&self.path, &url) {
            (Some(path), _) => path.clone(),
            (None, Some(url)) => {
                url.query().map_or_else(|| url.path().into(), |query| format!("{}?{query}", url.path()))
            }
            (None, None) => return Err(Failure::usage("the path is missing; add --path")),
        };
        let method = Method::from_bytes(self.method.to_ascii_uppercase().as_bytes())
            .map_err(|_| Failure::usage("--method is not an HTTP method"))?;
        let token = match self.no_token {
            true => None,
            false => Some(input::token(self.token.as_deref())?).filter(|token| !token.is_empty()),
        };
        let headers = self.headers(token.as_deref())?;
        let gateway = self.config.as_ref().map(GatewayConfig::from_file).transpose()?;
        let table = match (&gateway, &self.routes) {
            (Some(gateway), _) => gateway.table()?,
            (None, Some(file)) => RouteTable::from_json(&input::file(file)?)?,
            (None, None) => RouteTable::from_json(
                r#"[{"method":"ANY","path":"/","access":"authenticated"},{"method":"ANY","path":"/{*rest}","access":"authenticated"}]"#,
            )?,
        };
        let settings = match &gateway {
            Some(gateway) => Settings::from_options_with(&self.options, gateway.read_policy()?)?,
            None => Settings::from_options(&self.options)?,
        };
        let mut session = Session::new(settings)?;
        let verifier = session.verifier_for(token.as_deref().unwrap_or_default());
        let within = session.enter(); // an introspection of the gateway needs it
        let decider = match &gateway {
            Some(gateway) => Decider::gateway(gateway, &verifier)?,
            None => Decider::app(&table, verifier)?,
        };
        drop(within);
        let explained = explained(&mut session, &table, decider, &method, &path, &headers, token.as_deref())?;
        let live = match &url {
            Some(url) => {
                Some(session.wait(live_response(&self.options.connection, method.clone(), url, &path, headers))?)
            }
            None => None,
        };
        match self.json {
            true => output::json(&explained.as_json(method.as_str(), &path, live.as_ref()))?,
            false => explained.print(method.as_str(), &path, live.as_ref())?,
        }
        let is_other = live.as_ref().is_some_and(|live| !explained.agrees(live));
        Ok(match explained.decision {
            _ if is_other => Exit::Rejected,
            "allowed" => Exit::Done,
            "undecided" => Exit::Undecided,
            _ => Exit::Rejected,
        })
    }

    fn headers(&self, token: Option<&str>) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        for line in &self.header {
            let (name, value) = line.split_once(':').ok_or_else(|| Failure::usage("write --header 'Name: value'"))?;
            let name: Result<HeaderName, _> = name.trim().parse();
            let value = HeaderValue::from_str(value.trim());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(Failure::usage(format!("{}: not a header", output::safe(line))));
            };
            headers.append(name, value);
        }
        if let Some(token) = token {
            let value = fetch::bearer(token)
                .ok_or_else(|| Failure::usage("the token has characters that are not allowed in a header"))?;
            headers.append(header::AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

fn explained(
    session: &mut Session,
    table: &RouteTable,
    decider: Decider,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    token: Option<&str>,
) -> Result<Explained, Failure> {
    let report = token.map(|token| session.report(token)); // fetches the keys that the request needs
    let matcher = RouteMatcher::new(table);
    let route = matcher.route_of(method.as_str(), path.split('?').next().unwrap_or_default());
    let (mut response, is_reached) = session.wait(decider.decide(method, path, headers))?;
    let body = std::mem::take(response.body_mut());
    let body = session.wait(axum::body::to_bytes(body, MAX_BODY_BYTES)).unwrap_or_default();
    let body = crate::encoding::readable(&body);
    let status = response.status().as_u16();
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
    let verified = token.and_then(|token| session.verified(token));
    let rule = route.and_then(Route::rule);
    let mut unmet =
        rule.zip(verified.as_ref()).map(|(rule, caller)| authorities::unmet(rule, caller)).unwrap_or_default();
    unmet.extend(route.map(|route| table::faults(table, route)).unwrap_or_default());
    let caller = verified.map(|verified| verified.grants().clone());
    let missing_keys = match (status, token) {
        (503, Some(token)) => session.key_failures(token),
        _ => Vec::new(),
    };
    Ok(Explained {
        route: route.map(|route| format!("{} {}", route.method(), route.path())),
        requirement: route.map_or_else(|| "authenticated".to_owned(), |route| route.access().to_string()),
        decision: match (is_reached, status) {
            (true, _) => "allowed",
            (false, 503) => "undecided",
            _ => "denied",
        },
        status,
        challenges: challenges.iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect(),
        body,
        report,
        caller,
        unmet,
        missing_keys,
        now: session.now(),
    })
}

/// The live service's response to the same request.
async fn live_response(
    connection: &ConnectionOptions,
    method: Method,
    url: &Url,
    path: &str,
    headers: HeaderMap,
) -> Result<Value, Failure> {
    let joined = url.join(path).map_err(|_| Failure::usage("the path cannot be joined with the URL"))?;
    if joined.origin() != url.origin() {
        return Err(Failure::usage("--path names another host than --curl"));
    }
    let url = joined;
    let response = fetch::send(connection, method, &url, headers, Vec::new())
        .await
        .map_err(|problem| Failure::usage(format!("{}: {problem}", output::safe(url.as_str()))))?;
    let challenges: Vec<String> = response
        .headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    Ok(
        json!({ "status": response.status, "challenges": challenges, "body": crate::encoding::readable(&response.body) }),
    )
}

impl Explained {
    /// Returns whether both refuse with the same challenge, or both reach a handler, whose response cannot be predicted.
    fn agrees(&self, live: &Value) -> bool {
        let status = live["status"].as_u64().unwrap_or_default();
        let is_refusal = matches!(status, 401 | 403 | 503) || (status == 400 && live["challenges"] != json!([]));
        match self.decision {
            "allowed" => !is_refusal,
            _ => status == u64::from(self.status) && live["challenges"] == json!(self.challenges),
        }
    }

    fn as_json(&self, method: &str, path: &str, live: Option<&Value>) -> Value {
        let mut json = json!({
            "method": method,
            "path": path,
            "route": self.route,
            "requirement": self.requirement,
            "decision": self.decision,
            "status": self.status,
            "challenges": self.challenges,
            "body": self.body,
            "token": self.report,
            "caller": self.caller.as_ref().map(authorities::as_json),
            "unmet": self.unmet,
            "missing_keys": self.missing_keys,
        });
        if let Some(live) = live {
            json["live"] = live.clone();
            json["live"]["agrees"] = json!(self.agrees(live));
        }
        json
    }

    fn print(&self, method: &str, path: &str, live: Option<&Value>) -> Result<(), Failure> {
        let (tone, word) = match self.decision {
            "allowed" => (Tone::Good, "ALLOWED"),
            "undecided" => (Tone::Doubt, "COULD NOT BE DECIDED"),
            _ => (Tone::Bad, "DENIED"),
        };
        output::line(&toned(tone, &format!("{word}  {method} {}", output::safe(path))))?;
        let route = self.route.as_deref().unwrap_or("not in the table: closed by default");
        output::line(&output::safe(&format!("route        {route}")))?;
        output::line(&output::safe(&format!("requirement  {}", self.requirement)))?;
        if let Some(caller) = &self.caller {
            output::line(&output::safe(&format!("caller       {}", authorities::text(caller))))?;
        }
        for part in &self.unmet {
            output::line(&toned(Tone::Bad, &output::safe(&format!("unmet        {part}"))))?;
        }
        for failure in &self.missing_keys {
            output::line(&toned(Tone::Doubt, &output::safe(&format!("no keys      {failure}"))))?;
        }
        let predicted = json!({ "status": self.status, "challenges": self.challenges });
        let shown = if self.decision == "allowed" { "the handler's response".to_owned() } else { line_of(&predicted) };
        output::line(&output::safe(&format!("response     {shown}")))?;
        if let Some(live) = live {
            output::line(&output::safe(&format!("the service  {}", line_of(live))))?;
            let (tone, words) = match self.agrees(live) {
                true => (Tone::Good, "both agree"),
                false => (Tone::Bad, "they differ: compare policy, keys and routes of the service"),
            };
            output::line(&toned(tone, words))?;
        }
        if let Some(report) = &self.report {
            output::line("")?;
            print_checks(report, self.now)?;
        }
        Ok(())
    }
}

/// Status and challenges on one line, each challenge in quotes.
fn line_of(response: &Value) -> String {
    let challenges = response["challenges"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let challenges: Vec<String> = challenges.map(output::quoted).collect();
    format!("{}  {}", response["status"], challenges.join("  "))
}

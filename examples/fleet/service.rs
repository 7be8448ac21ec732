//! One instance of a service: a verifier under a bundle, a list of revocations, and reports to the plane.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::handler::Handler;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign::authenticate::AuthenticateLayer;
use countersign::fleet::{FleetMember, FleetReporter};
use countersign::health::Health;
use countersign::lifetime::{TokenEndAction, end_with_token};
use countersign::policy::danger;
use countersign::prelude::*;
use countersign::reload::{BundledPolicy, PolicyBundle, ShadowPolicy};
use countersign::revocation::{Revocation, RevocationList};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::Result;
use crate::fleet::Parts;
use crate::revocations::Follower;
use crate::server::Server;

/// A running instance.
pub struct Instance {
    pub service: &'static str,
    pub zone: &'static str,
    /// Such as `orders-1`.
    pub name: String,
    server: Server,
    _reporter: FleetReporter,
    _follower: Follower,
}

impl Instance {
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Starts an instance whose policy is the bundle of its zone.
    pub async fn start(parts: &Parts, service: &'static str, zone: &'static str, name: String) -> Result<Self> {
        let host = parts.documents.url();
        let shadow = ShadowPolicy::from_url(format!("{host}/{service}-shadow.jws")).one_in(1); // each request, for the example
        let policy = PolicyBundle::from_url(format!("{host}/{zone}/{service}.jws"), parts.operator.pins(service)?)
            .shadow(shadow)
            .deny_danger()
            .build()
            .await?;
        let member = FleetMember::new(service, &policy);
        Self::serve(parts, service, zone, name, member, policy.verifier().clone(), Some(policy)).await
    }

    /// Starts one as somebody might by hand: under no bundle, with a policy in code that accepts tokens for any audience.
    pub async fn start_by_hand(parts: &Parts, service: &'static str, zone: &'static str, name: String) -> Result<Self> {
        let issuer = danger::without_audience(oidc(parts.tokens.url()));
        let verifier = Verifier::new(issuer)?;
        let member = FleetMember::new(service, &verifier);
        Self::serve(parts, service, zone, name, member, verifier, None).await
    }

    async fn serve(
        parts: &Parts,
        service: &'static str,
        zone: &'static str,
        name: String,
        member: FleetMember,
        verifier: Verifier,
        policy: Option<BundledPolicy>,
    ) -> Result<Self> {
        let list = Arc::new(RevocationList::new());
        let follower = parts.revocations.follow(&parts.tokens.issuer, &list).await?;
        let member = member.instance(&name).version(env!("CARGO_PKG_VERSION")).revocation_list(&list);
        let app = app(verifier, list, &member, policy)?;
        let reporter = FleetReporter::builder(member, &parts.plane.url).interval(REPORT_EVERY).build()?;
        let server = Server::on_free_port(app).await?;
        Ok(Instance { service, zone, name, server, _reporter: reporter, _follower: follower })
    }
}

fn app(
    verifier: Verifier,
    list: Arc<RevocationList>,
    member: &FleetMember,
    policy: Option<BundledPolicy>,
) -> Result<Router> {
    let health = Health::new(&verifier).revocations(&list);
    let last = TokenEndAction::Finish(STREAM_END.into());
    let layer = AuthenticateLayer::builder(verifier).revocation(Revocation::new(list)).build()?;
    let app = Router::new()
        .route("/items", get(items).layer(require(scope("items:read"))))
        .route("/events", get(events.layer(end_with_token(last))).layer(require(scope("items:read"))))
        .route("/fleet", member.route().layer(require(scope("fleet:read"))))
        .layer(layer);
    // Below, no token is needed: a hint states nothing, and only makes the next pull sooner.
    let hint = move || async move { policy.iter().for_each(BundledPolicy::hint) };
    Ok(app.route("/ready", health.route()).route("/hint", post(hint)))
}

async fn items(claims: Claims) -> Json<Value> {
    Json(json!({ "items_of": claims.subject() }))
}

/// Server-sent events, of which only the first ever comes.
async fn events() -> Response {
    let first = stream::once(async { Ok::<_, Infallible>(STREAM_START) });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(first.chain(stream::pending()))).into_response()
}

/// The first bytes of an open stream.
const STREAM_START: &str = "event: open\ndata:\n\n";

/// The last bytes of a stream whose token is no longer accepted.
pub const STREAM_END: &str = "event: token_ended\ndata:\n\n";

/// The interval between reports. In production a minute does: a change of policy is reported at once.
const REPORT_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

//! The layer of MCP servers: over the service it wraps, and over HTTP in front of a server of `rmcp`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;

use axum::Router;
use countersign_benches::mcp::{self, HEADERS, RESOURCE};
use countersign_benches::measure::{Contender, Plan, interleave, median};
use countersign_benches::report::{Report, short};
use countersign_benches::services::{Bare, call};
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use http::{Request, Response};
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tower_layer::Layer;
use tower_service::Service;

use crate::http::{has_wrk, requests_a_second};

const BARE: &str = "the bare service";
const LAYER: &str = "the MCP layer, a tool that needs a scope and a role";

/// The body of the calls, for wrk.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/suite/mcp_call.lua");

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let signer = countersign_benches::sample::signer(Algorithm::ES256);
    let token = mcp::token(&signer, 1);
    over_the_service(plan, report, &signer, &token);
    over_http(plan, report, &signer, &token);
}

fn over_the_service(plan: &Plan, report: &mut Report, signer: &Signer, token: &str) {
    let layer = mcp::layer(signer, 1 << 20).server_compares_headers_with_body().build().expect("a layer");
    let figures = interleave(plan, vec![contender(BARE, Bare, token), contender(LAYER, layer.layer(Bare), token)]);
    let [bare, layered] = &figures[..] else { panic!("two were measured") };
    let allocations = layered.allocations - bare.allocations;
    report.at_most("MCP layer and requirement of a tool, over the bare service", " ns", 300.0, layered.over);
    report.at_most("MCP layer and requirement of a tool, over the bare service", " allocations", 5.0, allocations);
    let rows = [(bare, 0.0), (layered, allocations)].map(|(figure, allocations)| {
        vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(allocations)]
    });
    let note = "A new request each time, with a cached token and the headers of protocol version 2026-07-28, to a service \
                that answers at once.";
    report.table("A tool of an MCP server", note, &["", "ns", "ns over", "allocations over"], rows.to_vec());
}

fn contender<'a, S, B>(name: &str, mut service: S, token: &str) -> Contender<'a>
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + 'a,
{
    let template = mcp::request(token);
    assert!(call(&mut service, template.clone()), "{name} refuses a good token");
    Contender::new(name, move || assert!(call(&mut service, template.clone())))
}

fn over_http(plan: &Plan, report: &mut Report, signer: &Signer, token: &str) {
    if !has_wrk() {
        return;
    }
    let addresses = serve(signer);
    let headers: Vec<String> = HEADERS
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .chain([format!("Authorization: Bearer {token}")])
        .collect();
    let mut seen = [const { Vec::new() }; 2];
    for round in 0..plan.rounds.div_ceil(4) {
        for turn in 0..seen.len() {
            let who = (round + turn) % seen.len();
            let url = format!("http://{}/mcp", addresses[who]);
            seen[who].push(requests_a_second(&url, &headers, Some(SCRIPT)));
        }
    }
    let share = median(seen[1].iter().zip(&seen[0]).map(|(ours, bare)| ours / bare).collect()) * 100.0;
    report.at_least("MCP: requests per second, relative to the unguarded server of rmcp", " %", 95.0, share);
    let rows = [("rmcp", 0, 100.0), ("rmcp behind the MCP layer, guarded handler", 1, share)]
        .map(|(name, who, share)| vec![name.into(), short(median(seen[who].clone()).round()), format!("{share:.1}")]);
    let note = "Calls of a tool in protocol version 2026-07-28, answered with JSON. One server thread, 64 keep-alive \
                connections, always the same token; medians of turns of one second.";
    report.table("Requests per second of an MCP server", note, &["", "a second", "% of unguarded"], rows.to_vec());
}

/// A server whose tool answers at once.
#[derive(Clone)]
struct Orders;

impl ServerHandler for Orders {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("deleted")]).into())
    }
}

/// Two servers on one thread: unguarded, and guarded.
fn serve(signer: &Signer) -> [SocketAddr; 2] {
    let layer = mcp::layer(signer, 1 << 20).build().expect("a layer");
    let path = RESOURCE.rsplit_once('/').map_or("/", |(_, path)| path);
    let config = || StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let unguarded = StreamableHttpService::new(|| Ok(Orders), Arc::new(LocalSessionManager::default()), config());
    let routers =
        [Router::new().route_service(&format!("/{path}"), unguarded), layer.rmcp_router(|| Ok(Orders), config())];
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let mut addresses = Vec::new();
            for router in routers {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
                addresses.push(listener.local_addr().expect("its address"));
                tokio::spawn(async move { axum::serve(listener, router).await });
            }
            tell.send(addresses.try_into().expect("two")).expect("the bench waits");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("the servers start")
}

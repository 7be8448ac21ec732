//! What one caller began and another cannot continue: requests in several rounds, tasks, and subscriptions (S12.10); and the methods
//! whose body names a prompt or resource (S12.06).

use std::sync::{Arc, Mutex};

use countersign::authz::any_authenticated;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_mcp::McpLayer;
use countersign_test::{ManualClock, TestIssuer};
use rmcp::ServerHandler;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::{Value, json};

use crate::app::{App, NEWEST, RESOURCE, Sent, message, old_message, token};

type Context = RequestContext<RoleServer>;

/// A handler that asks again, starts tasks and remembers what ran.
#[derive(Clone, Default)]
struct Rounds(Arc<Mutex<Vec<String>>>);

impl Rounds {
    fn ran(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }

    fn run(&self, text: String) {
        self.0.lock().expect("no panic").push(text);
    }

    /// Whether the state is there; the first round gives one.
    fn is_asked(&self, name: &str, state: Option<&str>) -> bool {
        if let Some(state) = state {
            self.run(format!("{name} {state}"));
        }
        state.is_some()
    }
}

fn ask() -> InputRequiredResult {
    InputRequiredResult::from_request_state("order.17")
}

fn task(name: &str) -> Task {
    Task::new(name, TaskStatus::Working, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z")
}

impl ServerHandler for Rounds {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_prompts().enable_resources();
        let mut capabilities = capabilities.enable_resources_subscribe().enable_completions().build();
        capabilities.extensions = ServerCapabilities::builder().enable_tasks().build().extensions;
        ServerConfig::new(capabilities)
    }

    async fn call_tool(&self, request: CallToolRequestParams, _: Context) -> Result<CallToolResponse, ErrorData> {
        if request.name == "start" {
            return Ok(CallToolResponse::Task(CreateTaskResult::new(task("task.1"))));
        }
        match self.is_asked(&request.name, request.request_state.as_deref()) {
            true => Ok(CallToolResult::success(Vec::new()).into()),
            false => Ok(ask().into()),
        }
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _: Context) -> Result<GetPromptResponse, ErrorData> {
        match self.is_asked(&request.name, request.request_state.as_deref()) {
            true => Ok(GetPromptResult::new(Vec::new()).into()),
            false => Ok(ask().into()),
        }
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match self.is_asked(&request.uri, request.request_state.as_deref()) {
            true => Ok(ReadResourceResult::new(Vec::new()).into()),
            false => Ok(ask().into()),
        }
    }

    async fn get_task(&self, request: GetTaskParams, _: Context) -> Result<GetTaskResult, ErrorData> {
        self.run(format!("get {}", request.task_id));
        Ok(GetTaskResult::new(DetailedTask::new(task(&request.task_id), TaskPayload::Working)))
    }

    async fn update_task(&self, request: UpdateTaskParams, _: Context) -> Result<(), ErrorData> {
        self.run(format!("update {}", request.task_id));
        Ok(())
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: Context) -> Result<(), ErrorData> {
        self.run(format!("cancel {}", request.task_id));
        Ok(())
    }

    async fn complete(&self, _: CompleteRequestParams, _: Context) -> Result<CompleteResult, ErrorData> {
        self.run("complete".to_owned());
        Ok(CompleteResult::default())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.run(format!("subscribe {}", request.uri));
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.run(format!("unsubscribe {}", request.uri));
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.run(format!("listen {:?}", context.accepted().resource_subscriptions));
        Ok(())
    }
}

/// A server, its handler and its clock.
async fn server(issuer: TestIssuer, key: u8) -> (App, Rounds, ManualClock) {
    let clock = issuer.clock().clone();
    let mut mcp =
        McpLayer::with_verifier(RESOURCE, issuer.verifier_for(RESOURCE)).state_key(Secret::new(vec![key; 32]));
    for tool in ["start", "ask", "ask_other"] {
        mcp = mcp.tool(tool, any_authenticated());
    }
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        mcp = mcp.method(method, any_authenticated());
    }
    let mcp = mcp.prompt("review", scope("orders:read")).resource("orders://17", scope("orders:read")).build();
    let (rounds, mcp) = (Rounds::default(), mcp.expect("a layer"));
    let handler = rounds.clone();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let router = mcp.rmcp_router(move || Ok(handler.clone()), config);
    (App::of(issuer, router).await, rounds, clock)
}

/// Sends a request of the newest version for the operation `name`.
async fn send(app: &App, token: &str, method: &str, name: &str, params: Value) -> Sent {
    let mut body = message(method, params);
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let mut headers = vec![("mcp-protocol-version", NEWEST), ("mcp-method", method)];
    if !name.is_empty() {
        headers.push(("mcp-name", name));
    }
    app.send("POST", Some(token), &headers, &body).await
}

/// Tokens of everybody who is not ann at the desk.
fn others(issuer: &TestIssuer) -> [(&'static str, String); 3] {
    let base = || token(issuer).scope("orders:read");
    [
        ("another subject", base().subject("bob").sign()),
        ("another client", base().client_id("phone").sign()),
        ("no client", base().without_claim("client_id").sign()),
    ]
}

#[tokio::test]
async fn s12_10_only_the_caller_of_the_first_round_sends_the_next() {
    let (app, rounds, clock) = server(TestIssuer::new(), 7).await;
    let ann = token(&app.issuer).scope("orders:read").sign();
    for (method, key, name, other) in [
        ("tools/call", "name", "ask", "ask_other"),
        ("prompts/get", "name", "review", ""),
        ("resources/read", "uri", "orders://17", ""),
    ] {
        let round = |token: String, name: &'static str, state: String| {
            let app = &app;
            async move { send(app, &token, method, name, json!({ (key): name, "requestState": state })).await }
        };
        let first = send(&app, &ann, method, name, json!({ (key): name })).await;
        let state = first.json()["result"]["requestState"].as_str().expect("a state").to_owned();
        assert_ne!(state, "order.17", "{}", first.text);
        let (ends, rest) = state.split_once('.').expect("an end");
        let (tag, plain) = rest.split_once('.').expect("a tag");
        let forged = [
            plain.to_owned(),
            rest.to_owned(),
            format!("{ends}.{tag}.order.18"),
            format!("{}.{rest}", ends.parse::<u64>().expect("seconds") + 1),
            format!("+{state}"),
            format!("{ends}..{plain}"),
            String::new(),
        ];
        for (who, token, state) in others(&app.issuer)
            .into_iter()
            .map(|(who, token)| (who, token, state.clone()))
            .chain(forged.into_iter().map(|state| ("a changed state", ann.clone(), state)))
        {
            let answer = round(token, name, state).await;
            assert_eq!(answer.json()["error"]["code"], -32602, "{who}: {}", answer.text);
            assert_eq!(rounds.ran(), [""; 0], "{who}");
        }
        if !other.is_empty() {
            let answer = round(ann.clone(), other, state.clone()).await;
            assert_eq!(answer.json()["error"]["code"], -32602, "another operation: {}", answer.text);
        }
        let answer = round(ann.clone(), name, state.clone()).await;
        assert!(answer.json()["error"].is_null(), "{}", answer.text);
        assert_eq!(rounds.ran(), [format!("{name} order.17")], "the handler has its own state");
    }
    let first = send(&app, &ann, "tools/call", "ask", json!({ "name": "ask" })).await;
    let state = first.json()["result"]["requestState"].clone();
    clock.advance(std::time::Duration::from_secs(601));
    let renewed = token(&app.issuer).scope("orders:read").sign();
    let late = send(&app, &renewed, "tools/call", "ask", json!({ "name": "ask", "requestState": state })).await;
    assert_eq!(late.json()["error"]["code"], -32602, "{}", late.text);
    assert_eq!(rounds.ran(), [""; 0]);
}

#[tokio::test]
async fn s12_10_another_instance_opens_a_state_with_the_same_key_only() {
    let issuer = TestIssuer::new();
    let ann = token(&issuer).sign();
    let (first, ..) = server(issuer.clone(), 7).await;
    let (second, rounds, _) = server(issuer.clone(), 7).await;
    let (stranger, none, _) = server(issuer, 8).await;
    let answer = send(&first, &ann, "tools/call", "ask", json!({ "name": "ask" })).await;
    let next = json!({ "name": "ask", "requestState": answer.json()["result"]["requestState"] });
    let answer = send(&stranger, &ann, "tools/call", "ask", next.clone()).await;
    assert_eq!((answer.json()["error"]["code"].as_i64(), none.ran().len()), (Some(-32602), 0), "{}", answer.text);
    let answer = send(&second, &ann, "tools/call", "ask", next).await;
    assert_eq!(rounds.ran(), ["ask order.17"], "{}", answer.text);
    let short = McpLayer::with_verifier(RESOURCE, second.issuer.verifier_for(RESOURCE));
    let error = short.state_key(Secret::new(vec![7; 31])).build().expect_err("a short key");
    assert_eq!(error.faults()[0].field, "state_key");
}

#[tokio::test]
async fn s12_10_only_the_caller_who_started_a_task_reads_updates_or_cancels_it() {
    let (app, rounds, _) = server(TestIssuer::new(), 7).await;
    let ann = token(&app.issuer).sign();
    let started = send(&app, &ann, "tools/call", "start", json!({ "name": "start" })).await;
    let task = started.json()["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{}", started.text)).to_owned();
    let params = |task: &str| json!({ "taskId": task, "inputResponses": {} });
    for (method, ran) in
        [("tasks/get", "get task.1"), ("tasks/update", "update task.1"), ("tasks/cancel", "cancel task.1")]
    {
        let answer = send(&app, &ann, method, &task, params(&task)).await;
        assert!(answer.json()["error"].is_null(), "{method}: {}", answer.text);
        assert_eq!(rounds.ran(), [ran]);
        if method == "tasks/get" {
            assert_eq!(answer.json()["result"]["taskId"], task.as_str(), "the identifier stays the same");
        }
        let forged = ["task.1".to_owned(), format!("{task}x"), format!("task.2.{}", &task["task.1.".len()..])];
        let forged = forged.map(|task| ("a changed identifier", ann.clone(), task));
        for (who, token, task) in
            others(&app.issuer).into_iter().map(|(who, token)| (who, token, task.clone())).chain(forged)
        {
            let answer = send(&app, &token, method, &task, params(&task)).await;
            assert_eq!(answer.json()["error"]["message"], "task not found", "{who} {method}: {}", answer.text);
            assert_eq!(rounds.ran(), [""; 0], "{who} {method}");
        }
    }
}

#[tokio::test]
async fn s12_06_completions_and_subscriptions_need_what_their_prompt_or_resource_needs() {
    let (app, rounds, _) = server(TestIssuer::new(), 7).await;
    let (reader, none) = (token(&app.issuer).scope("orders:read").sign(), token(&app.issuer).sign());
    let complete = |reference: Value| json!({ "ref": reference, "argument": { "name": "a", "value": "b" } });
    let prompt = |name: &str| complete(json!({ "type": "ref/prompt", "name": name }));
    let resource = |uri: &str| complete(json!({ "type": "ref/resource", "uri": uri }));
    let listen = |uri: &str| json!({ "notifications": { "resourceSubscriptions": [uri] } });
    let (known, unknown) = ("orders://17", "orders://18");
    for (is_new, method, allowed, closed) in [
        (true, "completion/complete", prompt("review"), prompt("other")),
        (true, "completion/complete", resource(known), resource(unknown)),
        (false, "completion/complete", prompt("review"), prompt("other")),
        (false, "resources/subscribe", json!({ "uri": known }), json!({ "uri": unknown })),
        (false, "resources/unsubscribe", json!({ "uri": known }), json!({ "uri": unknown })),
        (true, "subscriptions/listen", listen(known), listen(unknown)),
    ] {
        for (token, params, runs) in [(&reader, &allowed, true), (&none, &allowed, false), (&reader, &closed, false)] {
            let answer = match is_new {
                true => send(&app, token, method, "", params.clone()).await,
                false => app.send("POST", Some(token), &[], &old_message(method, params)).await,
            };
            assert_eq!(rounds.ran().len(), usize::from(runs), "{method} {params}: {} {}", answer.status, answer.text);
            assert_eq!(answer.text.contains("\"error\""), !runs, "{method} {params}: {}", answer.text);
        }
    }
}

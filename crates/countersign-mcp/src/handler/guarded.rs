//! A handler whose operations demand what the table requires.

use std::borrow::Cow;
use std::sync::Arc;

use countersign::integration::{OperationGuard, refuse_other_audience};
use countersign_core::verify::Verified;
use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::*;
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};

use super::caller::{McpCaller, check, error, no_caller};
use crate::access::Access;
use crate::binding::CallerBinding;
use crate::headers::Operation;

/// A handler of rmcp whose tools, prompts, resources and other methods demand what the table requires of the caller, by the name
/// in the body; created by [`McpLayer::guard`](crate::McpLayer::guard).
///
/// The state of a request in several rounds and the identifier of a task reach the client with a tag that binds them to issuer,
/// subject and client of the caller; the handler sees its own text. A state is also bound to its operation and expires. For
/// everybody else it is refused, and the task is not found.
///
/// `initialize`, `server/discover`, `ping` and notifications of the protocol itself pass: they run nothing of the table.
///
/// ```
/// use countersign_mcp::{GuardedHandler, McpLayer};
/// use rmcp::ServerHandler;
///
/// fn guarded<H: ServerHandler>(mcp: &McpLayer, handler: H) -> GuardedHandler<H> {
///     mcp.guard(handler)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct GuardedHandler<H> {
    inner: H,
    access: Arc<Access>,
    binding: Arc<CallerBinding>, // rmcp moves the handler of each request several times
}

/// The caller and operation that the next round of a request is bound to.
struct Round {
    caller: Arc<Verified>,
    method: &'static str,
    name: String,
}

type Context = RequestContext<RoleServer>;

impl<H> GuardedHandler<H> {
    pub(super) fn new(inner: H, access: Arc<Access>, binding: Arc<CallerBinding>) -> Self {
        GuardedHandler { inner, access, binding }
    }

    /// The handler within.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }

    /// Refuses a caller that may not run the operation.
    fn check(&self, operation: &Operation<'_>, extensions: &Extensions) -> Result<(), ErrorData> {
        self.check_guard(self.access.of(operation), extensions)
    }

    /// Refuses a caller that may not send requests at all.
    fn check_caller(&self, extensions: &Extensions) -> Result<(), ErrorData> {
        self.check_guard(&self.access.every_request, extensions)
    }

    /// Refuses a caller of a method that the table lists as itself or, if it does not, of every request.
    fn check_method_or_caller(&self, method: &str, extensions: &Extensions) -> Result<(), ErrorData> {
        let guard = self.access.methods.get(method).unwrap_or(&self.access.every_request);
        self.check_guard(guard, extensions)
    }

    /// Evaluates a guard for the head of the request, whose token was made for this server.
    ///
    /// If the layer has let the request pass by the same guard, both were checked there, and requirements in shadow mode count once.
    fn check_guard(&self, guard: &OperationGuard, extensions: &Extensions) -> Result<(), ErrorData> {
        let parts = extensions.get::<Parts>().ok_or_else(no_caller)?;
        if guard.has_passed(&parts.extensions) {
            return Ok(());
        }
        match refuse_other_audience(&parts.extensions, &parts.headers, &self.access.resource) {
            Some(refused) => Err(error(&refused)),
            None => check(guard, parts),
        }
    }

    /// Opens the state that a further round of an operation brings, in its place.
    fn open(
        &self,
        method: &'static str,
        name: &str,
        state: &mut Option<String>,
        extensions: &Extensions,
    ) -> Result<Round, ErrorData> {
        let caller = Arc::clone(McpCaller::from_extensions(extensions)?.verified());
        if let Some(sealed) = state {
            *sealed = self.binding.open_state((method, name), &caller, sealed).ok_or_else(no_state)?;
        }
        Ok(Round { caller, method, name: name.to_owned() })
    }

    /// Binds the state that the client brings back to the caller and the operation.
    fn seal(&self, mut required: InputRequiredResult, round: &Round) -> InputRequiredResult {
        if let Some(state) = &mut required.request_state {
            *state = self.binding.seal_state((round.method, &round.name), &round.caller, state);
        }
        required
    }

    /// Opens the identifier of a task, in its place; the task is this caller's.
    fn open_task(&self, task: &mut String, extensions: &Extensions) -> Result<Arc<Verified>, ErrorData> {
        let caller = Arc::clone(McpCaller::from_extensions(extensions)?.verified());
        *task = self.binding.open_task(&caller, task).ok_or_else(no_task)?;
        Ok(caller)
    }

    /// Removes what the caller may not use, if lists are filtered. Such a list is this caller's own.
    fn filter<T>(
        &self,
        items: &mut Vec<T>,
        scope: &mut Option<CacheScope>,
        parts: Option<&Parts>,
        operation: impl for<'t> Fn(&'t T) -> Operation<'t>,
    ) {
        if self.access.filters_lists {
            items.retain(|item| parts.is_some_and(|parts| self.access.of(&operation(item)).is_met_by(parts)));
            *scope = Some(CacheScope::Private);
        }
    }
}

#[cold]
fn no_state() -> ErrorData {
    let message = "the state is not one of this caller and operation, or has expired; begin the request again";
    ErrorData::invalid_params(message, None)
}

/// As if the task did not exist, so that nobody learns which do.
#[cold]
fn no_task() -> ErrorData {
    ErrorData::invalid_params("task not found", None)
}

fn tool(name: &str) -> Operation<'_> {
    Operation::Tool(Cow::Borrowed(name))
}

fn prompt(name: &str) -> Operation<'_> {
    Operation::Prompt(Cow::Borrowed(name))
}

fn resource(uri: &str) -> Operation<'_> {
    Operation::Resource(Cow::Borrowed(uri))
}

#[expect(deprecated, reason = "clients of older protocol versions use these methods")]
impl<H: ServerHandler> ServerHandler for GuardedHandler<H> {
    async fn ping(&self, context: Context) -> Result<(), ErrorData> {
        self.inner.ping(context).await
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: Context,
    ) -> Result<InitializeResult, ErrorData> {
        self.inner.initialize(request, context).await
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.inner.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }

    async fn discover(&self, context: Context) -> Result<DiscoverResult, ErrorData> {
        self.inner.discover(context).await
    }

    async fn complete(&self, request: CompleteRequestParams, context: Context) -> Result<CompleteResult, ErrorData> {
        self.check_method_or_caller("completion/complete", &context.extensions)?;
        match &request.r#ref {
            Reference::Prompt(named) => self.check(&prompt(&named.name), &context.extensions)?,
            Reference::Resource(named) => self.check(&resource(&named.uri), &context.extensions)?,
            _ => self.check(&Operation::Method("completion/complete"), &context.extensions)?,
        }
        self.inner.complete(request, context).await
    }

    async fn set_level(&self, request: SetLevelRequestParams, context: Context) -> Result<(), ErrorData> {
        self.check_caller(&context.extensions)?;
        self.inner.set_level(request, context).await
    }

    async fn get_prompt(
        &self,
        mut request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.check(&prompt(&request.name), &context.extensions)?;
        let round = self.open("prompts/get", &request.name, &mut request.request_state, &context.extensions)?;
        Ok(match self.inner.get_prompt(request, context).await? {
            GetPromptResponse::InputRequired(required) => self.seal(required, &round).into(),
            response => response,
        })
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.check(&Operation::Method("prompts/list"), &context.extensions)?;
        let parts = context.extensions.get::<Parts>().cloned();
        let mut list = self.inner.list_prompts(request, context).await?;
        self.filter(&mut list.prompts, &mut list.cache_scope, parts.as_ref(), |item| prompt(&item.name));
        Ok(list)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.check(&Operation::Method("resources/list"), &context.extensions)?;
        let parts = context.extensions.get::<Parts>().cloned();
        let mut list = self.inner.list_resources(request, context).await?;
        self.filter(&mut list.resources, &mut list.cache_scope, parts.as_ref(), |item| resource(&item.uri));
        Ok(list)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.check(&Operation::Method("resources/templates/list"), &context.extensions)?;
        self.inner.list_resource_templates(request, context).await
    }

    async fn read_resource(
        &self,
        mut request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.check(&resource(&request.uri), &context.extensions)?;
        let round = self.open("resources/read", &request.uri, &mut request.request_state, &context.extensions)?;
        Ok(match self.inner.read_resource(request, context).await? {
            ReadResourceResponse::InputRequired(required) => self.seal(required, &round).into(),
            response => response,
        })
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.inner.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let extensions = &context.request_context().extensions;
        self.check_method_or_caller("subscriptions/listen", extensions)?;
        for uri in context.accepted().resource_subscriptions.iter().flatten() {
            self.check(&resource(uri), extensions)?;
        }
        self.inner.listen(context).await
    }

    async fn subscribe(&self, request: SubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        self.check_method_or_caller("resources/subscribe", &context.extensions)?;
        self.check(&resource(&request.uri), &context.extensions)?;
        self.inner.subscribe(request, context).await
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        self.check_method_or_caller("resources/unsubscribe", &context.extensions)?;
        self.check(&resource(&request.uri), &context.extensions)?;
        self.inner.unsubscribe(request, context).await
    }

    async fn call_tool(
        &self,
        mut request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        self.check(&tool(&request.name), &context.extensions)?;
        let round = self.open("tools/call", &request.name, &mut request.request_state, &context.extensions)?;
        Ok(match self.inner.call_tool(request, context).await? {
            CallToolResponse::InputRequired(required) => self.seal(required, &round).into(),
            CallToolResponse::Task(mut created) => {
                created.task.task_id = self.binding.seal_task(&round.caller, &created.task.task_id);
                CallToolResponse::Task(created)
            }
            response => response,
        })
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        self.check(&Operation::Method("tools/list"), &context.extensions)?;
        let parts = context.extensions.get::<Parts>().cloned();
        let mut list = self.inner.list_tools(request, context).await?;
        self.filter(&mut list.tools, &mut list.cache_scope, parts.as_ref(), |item| tool(&item.name));
        Ok(list)
    }

    /// Only a definition, by which rmcp reads the parameters in headers.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.inner.get_tool(name)
    }

    async fn on_custom_request(&self, request: CustomRequest, context: Context) -> Result<CustomResult, ErrorData> {
        self.check(&Operation::Method(&request.method), &context.extensions)?;
        self.inner.on_custom_request(request, context).await
    }

    async fn on_cancelled(&self, notification: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        self.inner.on_cancelled(notification, context).await;
    }

    async fn on_progress(&self, notification: ProgressNotificationParam, context: NotificationContext<RoleServer>) {
        self.inner.on_progress(notification, context).await;
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.inner.on_initialized(context).await;
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        self.inner.on_roots_list_changed(context).await;
    }

    /// A notification has no answer: one that may not pass is dropped, and the log has the refusal.
    async fn on_custom_notification(&self, notification: CustomNotification, context: NotificationContext<RoleServer>) {
        if self.check(&Operation::Method(&notification.method), &context.extensions).is_ok() {
            self.inner.on_custom_notification(notification, context).await;
        }
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }

    async fn get_task(&self, mut request: GetTaskParams, context: Context) -> Result<GetTaskResult, ErrorData> {
        self.check(&Operation::Method("tasks/get"), &context.extensions)?;
        let caller = self.open_task(&mut request.task_id, &context.extensions)?;
        let mut result = self.inner.get_task(request, context).await?;
        result.task.task.task_id = self.binding.seal_task(&caller, &result.task.task.task_id);
        Ok(result)
    }

    async fn update_task(&self, mut request: UpdateTaskParams, context: Context) -> Result<(), ErrorData> {
        self.check(&Operation::Method("tasks/update"), &context.extensions)?;
        self.open_task(&mut request.task_id, &context.extensions)?;
        self.inner.update_task(request, context).await
    }

    async fn cancel_task(&self, mut request: CancelTaskParams, context: Context) -> Result<(), ErrorData> {
        self.check(&Operation::Method("tasks/cancel"), &context.extensions)?;
        self.open_task(&mut request.task_id, &context.extensions)?;
        self.inner.cancel_task(request, context).await
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListSkillsResult, ErrorData> {
        self.check(&Operation::Method("skills/list"), &context.extensions)?;
        self.inner.list_skills(request, context).await
    }

    async fn get_skill(&self, request: GetSkillRequestParams, context: Context) -> Result<GetSkillResult, ErrorData> {
        self.check(&Operation::Method("skills/get"), &context.extensions)?;
        self.inner.get_skill(request, context).await
    }

    async fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        context: Context,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        self.check(&Operation::Method("resources/directory/read"), &context.extensions)?;
        self.inner.read_resource_directory(request, context).await
    }
}

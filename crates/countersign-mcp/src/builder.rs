//! The table of requirements, and the settings of the layer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
#[cfg(feature = "rmcp")]
use std::time::Duration;

use countersign::authenticate::{AuthenticateLayer, AuthenticateLayerBuilder};
use countersign::integration::OperationGuard;
use countersign::response::ResourceMetadata;
use countersign_core::authz::{Requirement, all_of, any_authenticated};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::policy::NeedsAudience;
#[cfg(feature = "rmcp")]
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;

use crate::access::{Access, ServerTrust, Table};
#[cfg(feature = "rmcp")]
use crate::binding::{CallerBinding, STATE_LIFETIME};
use crate::layer::McpLayer;

/// The methods whose operations have tables of their own.
const NAMING_METHODS: [(&str, &str); 3] =
    [("tools/call", "tool"), ("prompts/get", "prompt"), ("resources/read", "resource")];

/// A scope that asks the authorization server for a refresh token, and nothing of this server.
const OFFLINE_ACCESS: &str = "offline_access";

type Change = Box<dyn FnOnce(AuthenticateLayerBuilder) -> AuthenticateLayerBuilder>;

/// The requirements of an MCP server; created by [`McpLayer::builder`], which has an example.
///
/// What the table does not list is closed to every caller, unless [`others`](Self::others) says otherwise. Names are compared
/// byte for byte.
#[must_use = "call build to get the layer"]
pub struct McpLayerBuilder {
    resource: String,
    verifier: Result<Verifier, ConfigError>,
    every_request: Requirement,
    tools: Vec<(String, Requirement)>,
    prompts: Vec<(String, Requirement)>,
    resources: Vec<(String, Requirement)>,
    resource_prefixes: Vec<(String, Requirement)>,
    methods: Vec<(String, Requirement)>,
    others: Option<Requirement>,
    scopes: Vec<String>,
    changes: Vec<Change>,
    trust: ServerTrust,
    refuses_unclear: bool,
    filters_lists: bool,
    #[cfg(feature = "rmcp")]
    state_key: Option<Secret<Vec<u8>>>,
    #[cfg(feature = "rmcp")]
    state_lifetime: Duration,
}

impl McpLayer {
    /// Begins the layer of the MCP server at the address `resource`, which takes tokens of `issuer` that were made for exactly
    /// this address.
    ///
    /// `resource` is the address that clients call, such as `https://mcp.example.com/mcp`: also if the server is nested, or if a
    /// proxy removes a part of the path.
    pub fn builder(resource: impl Into<String>, issuer: NeedsAudience) -> McpLayerBuilder {
        let resource = resource.into();
        let verifier = Verifier::new(issuer.audience(resource.clone()));
        McpLayerBuilder::new(resource, verifier)
    }

    /// As [`builder`](Self::builder), with a verifier: for several issuers, a clock, or rules of an issuer.
    ///
    /// The audience of its issuers is `resource`. A token that the verifier takes for another audience is refused by the layer.
    pub fn with_verifier(resource: impl Into<String>, verifier: Verifier) -> McpLayerBuilder {
        McpLayerBuilder::new(resource.into(), Ok(verifier))
    }
}

impl McpLayerBuilder {
    fn new(resource: String, verifier: Result<Verifier, ConfigError>) -> Self {
        McpLayerBuilder {
            resource,
            verifier,
            every_request: any_authenticated(),
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_prefixes: Vec::new(),
            methods: Vec::new(),
            others: None,
            scopes: Vec::new(),
            changes: Vec::new(),
            trust: ServerTrust::default(),
            refuses_unclear: false,
            filters_lists: false,
            #[cfg(feature = "rmcp")]
            state_key: None,
            #[cfg(feature = "rmcp")]
            state_lifetime: STATE_LIFETIME,
        }
    }

    /// Requires this of every call of the tool `name`.
    pub fn tool(mut self, name: impl Into<String>, requirement: impl Into<Requirement>) -> Self {
        self.tools.push((name.into(), requirement.into()));
        self
    }

    /// Requires this of whoever gets the prompt `name`.
    pub fn prompt(mut self, name: impl Into<String>, requirement: impl Into<Requirement>) -> Self {
        self.prompts.push((name.into(), requirement.into()));
        self
    }

    /// Requires this of whoever reads the resource with exactly this address.
    pub fn resource(mut self, uri: impl Into<String>, requirement: impl Into<Requirement>) -> Self {
        self.resources.push((uri.into(), requirement.into()));
        self
    }

    /// Requires this of whoever reads a resource whose address begins with `prefix`, unless a longer prefix or the whole address
    /// is listed.
    ///
    /// `prefix` ends with a slash. Addresses with dot segments, percent signs, a query or characters other than visible ASCII
    /// behind it are not listed by it: a server might resolve them to another place.
    pub fn resources_under(mut self, prefix: impl Into<String>, requirement: impl Into<Requirement>) -> Self {
        self.resource_prefixes.push((prefix.into(), requirement.into()));
        self
    }

    /// Requires this of requests with another method of the protocol, such as `tasks/get` or one of your own.
    pub fn method(mut self, method: impl Into<String>, requirement: impl Into<Requirement>) -> Self {
        self.methods.push((method.into(), requirement.into()));
        self
    }

    /// Requires this of every request, in addition to what its operation requires. Challenges to callers without a token name its
    /// scopes. Default: a valid token.
    pub fn every_request(mut self, requirement: impl Into<Requirement>) -> Self {
        self.every_request = requirement.into();
        self
    }

    /// Requires this of tools, prompts, resources and methods that the table does not list. Default: they are closed.
    pub fn others(mut self, requirement: impl Into<Requirement>) -> Self {
        self.others = Some(requirement.into());
        self
    }

    /// Adds scopes to those that the metadata offers to clients (`scopes_supported`). Default: all scopes that the table names.
    pub fn offer_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Changes settings of the layer that authenticates: proofs of possession, revocation, an audit log, the token for exchanges.
    ///
    /// Audience, metadata and challenges stay those of this server, and callers without a token are refused whatever is set.
    ///
    /// ```
    /// use countersign::prelude::*;
    /// use countersign_mcp::McpLayer;
    ///
    /// let mcp = McpLayer::builder("https://mcp.example.com/mcp", oidc("https://id.example.com"))
    ///     .authenticate(|layer| layer.keep_caller_token().realm("orders"))
    ///     .tool("list_orders", scope("orders:read"))
    ///     .build()?;
    /// # let _ = mcp;
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    pub fn authenticate(
        mut self,
        change: impl FnOnce(AuthenticateLayerBuilder) -> AuthenticateLayerBuilder + 'static,
    ) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Declares that the server behind this layer refuses every request whose headers `Mcp-Method` and `Mcp-Name` do not say what
    /// its body says, if its `MCP-Protocol-Version` is 2026-07-28 or later.
    ///
    /// The layer then decides by these headers. If the declaration is wrong, callers reach every tool by naming a harmless one.
    /// [`rmcp_router`](McpLayer::rmcp_router) and [`rmcp_service`](McpLayer::rmcp_service) need no declaration.
    pub fn server_compares_headers_with_body(mut self) -> Self {
        self.trust.compares_headers = true;
        self
    }

    /// Refuses requests whose headers do not tell their operation with 400, instead of requiring what all operations together
    /// require. Clients of protocol versions before 2026-07-28 then cannot use the server.
    pub fn refuse_unclear_operations(mut self) -> Self {
        self.refuses_unclear = true;
        self
    }

    /// Lists only tools, prompts and resources that the caller may use. It takes effect in [`rmcp_router`](McpLayer::rmcp_router)
    /// and [`rmcp_service`](McpLayer::rmcp_service). Default: all are listed.
    #[cfg(feature = "rmcp")]
    pub fn list_only_allowed(mut self) -> Self {
        self.filters_lists = true;
        self
    }

    /// The key that binds the state of requests in several rounds and the identifiers of tasks to their callers: 32 random bytes, the
    /// same for every instance of a server. Default: a key of the process, so that other instances refuse them, and this one after
    /// a restart.
    ///
    /// ```
    /// use countersign::prelude::*;
    /// use countersign::secret::Secret;
    /// use countersign_mcp::McpLayer;
    ///
    /// fn layer(key: Secret<Vec<u8>>) -> Result<McpLayer, countersign::error::ConfigError> {
    ///     McpLayer::builder("https://mcp.example.com/mcp", oidc("https://id.example.com")).state_key(key).build()
    /// }
    /// # let _ = layer;
    /// ```
    #[cfg(feature = "rmcp")]
    pub fn state_key(mut self, key: Secret<Vec<u8>>) -> Self {
        self.state_key = Some(key);
        self
    }

    /// The time in which a client may send the next round of a request, from a second to a day. Default: ten minutes, for a user who
    /// answers a question.
    #[cfg(feature = "rmcp")]
    pub fn state_lifetime(mut self, lifetime: Duration) -> Self {
        self.state_lifetime = lifetime;
        self
    }

    /// Creates the layer.
    ///
    /// # Errors
    /// `ConfigError` with every fault: of the resource's address, of the issuer, of the settings that were changed, of the key and
    /// lifetime of states, and of the table (an empty or repeated name, a requirement with a fault).
    pub fn build(self) -> Result<McpLayer, ConfigError> {
        let mut faults = self.faults();
        let metadata = ResourceMetadata::new(&self.resource);
        let (verifier, metadata) = match (self.verifier, metadata) {
            (Ok(verifier), Ok(metadata)) => (verifier, metadata),
            (verifier, metadata) => {
                let errors = verifier.err().into_iter().chain(metadata.err());
                faults.extend(errors.flat_map(|error| error.faults().to_vec()));
                ConfigError::check(faults)?;
                return Err(ConfigError::new("resource", "the layer cannot be built"));
            }
        };
        let every_request = in_force(self.every_request);
        let tables = [&self.tools, &self.prompts, &self.resources, &self.resource_prefixes, &self.methods];
        let listed: Vec<Requirement> =
            tables.into_iter().flatten().map(|(_, requirement)| requirement.clone()).collect();
        let others = self.others.unwrap_or_else(closed);
        let all: Vec<Requirement> = [&every_request, &others].into_iter().chain(&listed).cloned().collect();

        let mut scopes = self.scopes;
        let named = all.iter().flat_map(Requirement::named_scopes).map(str::to_owned).collect::<Vec<_>>();
        for scope in named {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes.retain(|scope| scope != OFFLINE_ACCESS);
        let mut issuers: Vec<String> = verifier.issuers().map(|issuer| issuer.issuer().to_owned()).collect();
        issuers.sort_unstable();
        let metadata = metadata.authorization_servers(issuers).scopes(scopes);

        #[cfg(feature = "rmcp")]
        let binding = {
            let clock = std::sync::Arc::clone(verifier.clock());
            CallerBinding::new(self.state_key.as_ref(), &self.resource, self.state_lifetime, clock)
                .map_err(|error| faults.extend(error.faults().to_vec()))
                .ok()
        };
        let changed =
            self.changes.into_iter().fold(AuthenticateLayer::builder(verifier), |layer, change| change(layer));
        let challenged: Vec<String> = every_request.required_scopes().map(str::to_owned).collect();
        let authenticate = changed.resource_metadata(metadata.clone()).challenge_scopes(challenged).build();
        let authenticate = match authenticate {
            Ok(authenticate) => authenticate,
            Err(error) => {
                faults.extend(error.faults().to_vec());
                return Err(ConfigError::check(faults).err().unwrap_or(error));
            }
        };
        ConfigError::check(faults)?;
        #[cfg(feature = "rmcp")]
        let Some(binding) = binding else { return Err(ConfigError::new("state_key", "cannot be used")) };

        let guard = |requirement: Requirement| OperationGuard::new(with(requirement, &every_request));
        let table = |listed: Vec<(String, Requirement)>| -> Table {
            listed.into_iter().map(|(name, requirement)| (name.into_boxed_str(), guard(requirement))).collect()
        };
        let mut prefixes: Vec<(Box<str>, OperationGuard)> = table(self.resource_prefixes).into_iter().collect();
        prefixes.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        let access = Access {
            resource: self.resource,
            tools: table(self.tools),
            prompts: table(self.prompts),
            resources: table(self.resources),
            resource_prefixes: prefixes,
            methods: table(self.methods),
            others: guard(others),
            strictest: OperationGuard::new(all_of(all)),
            every_request: OperationGuard::new(every_request),
            refuses_unclear: self.refuses_unclear,
            filters_lists: self.filters_lists,
        };
        let trust = self.trust;
        Ok(McpLayer::new(
            authenticate,
            access,
            trust,
            metadata,
            #[cfg(feature = "rmcp")]
            binding,
        ))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.resource.contains(['?', '{', '}', '*']) {
            faults.push(Fault::new("resource", "has a query or a pattern; write the address of the one MCP endpoint"));
        }
        let tables = [
            ("tool", &self.tools),
            ("prompt", &self.prompts),
            ("resource", &self.resources),
            ("resources_under", &self.resource_prefixes),
            ("method", &self.methods),
        ];
        for (field, table) in tables {
            let mut seen = HashMap::new();
            for (name, requirement) in table {
                match seen.entry(name) {
                    _ if name.is_empty() => faults.push(Fault::new(field, "empty; name it as the server does")),
                    Entry::Occupied(_) => {
                        let problem = format!("{name:?} is listed twice; combine its requirements with and() or or()");
                        faults.push(Fault::new(field, problem));
                    }
                    Entry::Vacant(place) => {
                        place.insert(());
                    }
                }
                faults.extend(faults_of(field, name, requirement));
            }
        }
        for (prefix, _) in self.resource_prefixes.iter().filter(|(prefix, _)| !prefix.ends_with('/')) {
            let problem =
                format!("{prefix:?} does not end with a slash; end it with one, or list the address with resource");
            faults.push(Fault::new("resources_under", problem));
        }
        for (method, table) in NAMING_METHODS {
            if self.methods.iter().any(|(named, _)| named == method) {
                faults.push(Fault::new("method", format!("{method} has a table of its own; use {table}")));
            }
        }
        faults.extend(faults_of("every_request", "every request", &self.every_request));
        faults.extend(self.others.iter().flat_map(|others| faults_of("others", "others", others)));
        faults
    }
}

impl std::fmt::Debug for McpLayerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpLayerBuilder").field("resource", &self.resource).finish_non_exhaustive()
    }
}

fn faults_of(field: &'static str, name: &str, requirement: &Requirement) -> Vec<Fault> {
    let faults = requirement.check_config().err().map(|error| error.faults().to_vec()).unwrap_or_default();
    faults.into_iter().map(|fault| Fault::new(field, format!("{name:?}: {}: {}", fault.field, fault.problem))).collect()
}

/// The requirement that nobody meets.
fn closed() -> Requirement {
    any_authenticated().not()
}

/// A requirement in shadow mode decides nothing, so that it needs a caller beside it.
fn in_force(requirement: Requirement) -> Requirement {
    if requirement.is_shadow() { requirement.and(any_authenticated()) } else { requirement }
}

/// The requirement of an operation, with that of every request.
fn with(requirement: Requirement, every_request: &Requirement) -> Requirement {
    match *every_request == any_authenticated() {
        true => in_force(requirement),
        false => requirement.and(every_request.clone()),
    }
}

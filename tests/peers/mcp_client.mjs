// A client of the Model Context Protocol: @modelcontextprotocol/client for revision 2026-07-28, @modelcontextprotocol/sdk for older
// ones. It discovers the login server, gets a token, lists the tools and calls some, and prints one JSON value:
//   revision, tools, calls [{tool, text | error, status}], authorizations [{client, scope, resource}], grants [{grant, scope,
//   resource}], answers [{method, path, status, challenge}] of the server.
//
//   node mcp_client.mjs < input
//
// The input is a JSON object:
//   url       the server
//   revision  2025-06-18, 2025-11-25 or 2026-07-28
//   calls     [{tool, arguments}]
// and one of
//   agent  {id, secret, issuer, scope}  a client with credentials of its own
//   user   {name, password, redirect, client | document}  a user who logs in by a browser, which this script plays; without
//          client or document the client registers itself
//   token  a token that is sent as it is
import { text } from 'node:stream/consumers';
import { browse } from './mcp_browser.mjs';

const input = JSON.parse(await text(process.stdin));
const isModern = input.revision >= '2026';
const sdk = isModern ? await import('@modelcontextprotocol/client') : {
  ...await import('@modelcontextprotocol/sdk/client/index.js'),
  ...await import('@modelcontextprotocol/sdk/client/auth.js'),
  ...await import('@modelcontextprotocol/sdk/client/auth-extensions.js'),
  ...await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
};
console.warn = () => {};

const answers = [];
const grants = [];
const authorizations = [];

// The client's requests, noted without what is secret.
async function noted(url, init) {
  const target = new URL(url instanceof Request ? url.url : url);
  if (init?.body instanceof URLSearchParams && init.body.has('grant_type')) {
    const of = (name) => init.body.get(name);
    grants.push({ grant: of('grant_type'), scope: of('scope'), resource: of('resource') });
  }
  const answer = await fetch(url, init);
  if (target.origin === new URL(input.url).origin) {
    answers.push({ method: init?.method ?? 'GET', path: target.pathname, status: answer.status, challenge: answer.headers.get('www-authenticate') });
  }
  return answer;
}

// What the client keeps about the login of a user.
class Login {
  #client; #tokens; #verifier; #discovery;
  returned; // the parameters with which the browser came back
  constructor() {
    if (input.user.client) this.#client = { client_id: input.user.client };
    if (input.user.document) this.clientMetadataUrl = input.user.document;
  }
  get redirectUrl() { return input.user.redirect; }
  get clientMetadata() {
    return {
      client_name: 'test', redirect_uris: [input.user.redirect], grant_types: ['authorization_code'], response_types: ['code'],
      token_endpoint_auth_method: 'none', application_type: 'native',
    };
  }
  clientInformation() { return this.#client; }
  saveClientInformation(client) { this.#client = client; }
  tokens() { return this.#tokens; }
  // With a refresh token, version 1 of the SDK refreshes where it should ask for more scopes.
  saveTokens({ refresh_token: refresh, ...tokens }) { this.#tokens = isModern ? { ...tokens, refresh_token: refresh } : tokens; }
  saveCodeVerifier(verifier) { this.#verifier = verifier; }
  codeVerifier() { return this.#verifier; }
  discoveryState() { return this.#discovery; }
  saveDiscoveryState(state) { this.#discovery = state; }
  async redirectToAuthorization(url) {
    const of = (name) => url.searchParams.get(name);
    authorizations.push({ client: of('client_id'), scope: of('scope'), resource: of('resource') });
    this.returned = (await browse(url, input.user)).searchParams;
  }
}

const authProvider = input.user ? new Login() : input.agent ? new sdk.ClientCredentialsProvider({
  clientId: input.agent.id, clientSecret: input.agent.secret, expectedIssuer: input.agent.issuer, scope: input.agent.scope,
}) : undefined;
const requestInit = input.token ? { headers: { authorization: `Bearer ${input.token}` } } : undefined;

function newTransport() {
  const transport = new sdk.StreamableHTTPClientTransport(new URL(input.url), { authProvider, requestInit, fetch: noted });
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    if (!isModern && message.method === 'initialize') message.params.protocolVersion = input.revision;
    return send(message, options);
  };
  return transport;
}
const newClient = () => new sdk.Client({ name: 'test', version: '1.0.0' }, isModern ? { versionNegotiation: { mode: { pin: input.revision } } } : {});

// Hands the login server's answer to the transport if the client was sent to log in.
async function loggedIn(transport, error) {
  if (!(error instanceof sdk.UnauthorizedError) || !authProvider?.returned) throw error;
  const { returned } = authProvider;
  authProvider.returned = undefined;
  if (returned.has('error')) throw new Error(`${returned.get('error')}: ${returned.get('error_description')}`);
  await (isModern ? transport.finishAuth(returned) : transport.finishAuth(returned.get('code')));
}

// The same for a call whose refusal names scopes. In older revisions a tool is refused within the stream, so the transport does not
// see it, and the host of the client asks for more.
async function askedForMore(transport, error) {
  if (!authProvider || !error.data?.scope) return loggedIn(transport, error);
  const result = await sdk.auth(authProvider, {
    serverUrl: new URL(input.url), scope: error.data.scope, resourceMetadataUrl: new URL(error.data.resource_metadata), fetchFn: noted,
  });
  if (result === 'REDIRECT') await loggedIn(transport, new sdk.UnauthorizedError('more scopes are needed'));
}

const failure = (error) => ({ error: `${error.name}: ${error.message}`.slice(0, 400), status: error.code ?? error.status ?? error.data?.status ?? null });
const out = { revision: null, tools: [], calls: [] };
try {
  let [transport, client] = [newTransport(), newClient()];
  try {
    await client.connect(transport);
  } catch (error) {
    await loggedIn(transport, error);
    [transport, client] = [newTransport(), newClient()];
    await client.connect(transport);
  }
  out.revision = transport.protocolVersion ?? client.getNegotiatedProtocolVersion?.() ?? null;
  out.tools = (await client.listTools()).tools.map((tool) => tool.name).sort();
  for (const call of input.calls) {
    const run = () => client.callTool({ name: call.tool, arguments: call.arguments ?? {} });
    try {
      const result = await run().catch(async (error) => { await askedForMore(transport, error); return run(); });
      const said = (result.content ?? []).map((part) => part.text ?? '').join('\n');
      out.calls.push({ tool: call.tool, ...(result.isError ? { error: said, status: null } : { text: said }) });
    } catch (error) {
      out.calls.push({ tool: call.tool, ...failure(error) });
    }
  }
  await client.close();
} catch (error) {
  Object.assign(out, failure(error));
}
console.log(JSON.stringify({ ...out, authorizations, grants, answers }));
process.exit(0);

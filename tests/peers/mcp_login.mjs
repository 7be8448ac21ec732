// A login server for clients of the Model Context Protocol (oidc-provider) on loopback: users log in with any password, and
// tokens are for the server that a client names in `resource`.
//
//   ./install; node mcp_login.mjs
//
// Prints one JSON line when ready: {"issuer","port","clients":{...}}.
// PORT     port to listen on, 0 for one given by the system (default 0)
// LIFETIME access token lifetime in seconds (default 300)
// INDICATORS=no  ignores `resource`, as login servers without RFC 8707 do: tokens are for https://other.test
//
// Scopes: orders:read orders:write. The user mia has the role manager, all others have the role clerk.
// Clients: agent (client credentials, client_secret_basic), mcp-app (users, registered beforehand), any that registers itself,
//   and https://app.test/mcp.json, whose document this script has in place of the network.
import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const lifetime = Number(process.env.LIFETIME ?? 300);
const secret = 'a secret of the agent for tests';
const redirect = 'http://127.0.0.1:9/callback'; // nobody listens there: the client reads the address
const app = {
  client_name: 'app', redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'],
  token_endpoint_auth_method: 'none', application_type: 'native', id_token_signed_response_alg: 'ES256',
};
const document = { client_id: 'https://app.test/mcp.json', ...app };
const loopback = /^http:\/\/127\.0\.0\.1:\d+(\/|$)/;

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'es256-1' };

function makeProvider(issuer) {
  const invalid = () => Object.assign(new Error('invalid_target'), { error: 'invalid_target', status: 400, statusCode: 400, expose: true });
  const indicators = process.env.INDICATORS === 'no' ? {
    defaultResource: () => 'https://other.test',
    useGrantedResource: () => true,
    getResourceServerInfo: () => ({ scope: 'orders:read orders:write', audience: 'https://other.test', accessTokenFormat: 'jwt', accessTokenTTL: lifetime, jwt: { sign: { alg: 'ES256' } } }),
  } : {
    defaultResource: () => undefined,
    useGrantedResource: () => true,
    getResourceServerInfo: (ctx, resource) => {
      if (!loopback.test(resource)) throw invalid();
      return { scope: 'orders:read orders:write', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: lifetime, jwt: { sign: { alg: 'ES256' } } };
    },
  };
  return new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [
      { client_id: 'agent', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' },
      { client_id: 'mcp-app', ...app },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    scopes: ['openid', 'offline_access', 'orders:read', 'orders:write'],
    ttl: { AccessToken: lifetime, ClientCredentials: lifetime },
    cookies: { keys: ['for tests'] },
    // In place of the network.
    fetch: async (url) => (String(url) === document.client_id
      ? new Response(JSON.stringify(document), { headers: { 'content-type': 'application/json' } })
      : new Response('', { status: 404 })),
    extraTokenClaims: (ctx, token) => ({ roles: [token.accountId === 'mia' ? 'manager' : 'clerk'] }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
      resourceIndicators: { enabled: true, ...indicators },
    },
  });
}

let callback;
const server = http.createServer((request, response) => callback(request, response));
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
await new Promise((ready) => { server.once('listening', ready); });
const { port } = server.address();
const issuer = `http://127.0.0.1:${port}`;
callback = makeProvider(issuer).callback();
console.log(JSON.stringify({ issuer, port, clients: { agent: { id: 'agent', secret }, app: 'mcp-app', document: document.client_id }, redirect }));

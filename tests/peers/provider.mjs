// A real OpenID provider (oidc-provider) on loopback, with clients, resources, custom claims and key rotation.
//
//   ./install; PORT=0 node provider.mjs
//
// Prints one JSON line when ready: {"issuer","port","clients":{...},"client_key":{private JWK for private_key_jwt}}.
// PORT     port to listen on, 0 for one given by the system (default 0)
// ALGS     algorithms of the signing keys, comma-separated (default ES256,RS256,EdDSA); one key each; see `alg` below
// LIFETIME access token lifetime in seconds (default 300)
// LOGOUT_URI where logout tokens of the client svc-basic are posted; see `logout` below
// DPOP_NONCES if set, every DPoP proof needs a nonce of the provider
//
// Token request: POST /token, grant_type=client_credentials, resource=<one of the resources>, scope=...
//   resource https://orders.test  scopes orders:read orders:write  tokens signed with the first of ALGS
//   resource http://127.0.0.1:<any port>/ the same
//   resource https://opaque.test  scopes orders:read orders:write  opaque tokens
//   resource https://other-opaque.test  the same
//   resource https://stock.test   scopes stock:read                tokens signed with the second of ALGS (or the first)
// Clients: svc-basic (client_secret_basic, secret "s3cret for tests"), svc-post (client_secret_post, the same),
//   svc-pkjwt (private_key_jwt, key printed at the start), svc-dpop (client_secret_basic, DPoP-bound tokens).
// Control (loopback only, for tests): POST /control/rotate  new keys sign, old ones stay published
//   POST /control/retire  old keys leave the JWKS;  POST /control/fail?status=503&times=3  the JWKS answers so, then recovers
//   POST /control/logout?sub=ann&sid=s1  posts a logout token to LOGOUT_URI
//   POST /control/delay?ms=2000  each answer waits;  GET /control/counts  requests by path
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const algs = (process.env.ALGS ?? 'ES256,RS256,EdDSA').split(',');
const lifetime = Number(process.env.LIFETIME ?? 300);
const secret = 's3cret for tests';
const dPoP = process.env.DPOP_NONCES ? { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true } : { enabled: true };
const counts = {};
const logoutUri = process.env.LOGOUT_URI;
const logout = logoutUri ? { backchannel_logout_uri: logoutUri, backchannel_logout_session_required: true } : {};
let generation = 0;
let keys = [];
let failure = { status: 0, times: 0 };
let delay = 0;

async function makeKeys() {
  generation += 1;
  return Promise.all(algs.map(async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${alg.toLowerCase()}-${generation}` };
  }));
}

const assertionKey = await generateKeyPair('ES256', { extractable: true });
const assertionPublic = { ...(await exportJWK(assertionKey.publicKey)), alg: 'ES256', use: 'sig', kid: 'svc-pkjwt-1' };
const assertionPrivate = { ...(await exportJWK(assertionKey.privateKey)), alg: 'ES256', use: 'sig', kid: 'svc-pkjwt-1' };

const resources = {
  'https://orders.test': { scope: 'orders:read orders:write', alg: algs[0] },
  'https://stock.test': { scope: 'stock:read', alg: algs[1] ?? algs[0] },
  'https://opaque.test': { scope: 'orders:read orders:write', format: 'opaque' },
  'https://other-opaque.test': { scope: 'orders:read orders:write', format: 'opaque' },
};
const loopback = /^http:\/\/127\.0\.0\.1:\d+\/$/; // a service under test, of whatever port
const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [], id_token_signed_response_alg: algs[0], introspection_signed_response_alg: algs[0] };

function makeProvider(issuer) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [
      { client_id: 'svc-basic', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic', ...logout, ...machine },
      { client_id: 'svc-post', client_secret: secret, token_endpoint_auth_method: 'client_secret_post', ...machine },
      { client_id: 'svc-pkjwt', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [assertionPublic] }, ...machine },
      { client_id: 'svc-dpop', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic', dpop_bound_access_tokens: true, ...machine },
    ],
    scopes: ['orders:read', 'orders:write', 'stock:read'],
    ttl: { ClientCredentials: lifetime },
    fetch: (url, { dispatcher, ...options }) => fetch(url, options), // its dispatcher refuses loopback
    extraTokenClaims: (ctx, token) => ({
      tenant_id: 'acme', roles: ['clerk'], permissions: ['orders.list'], ver: '2', sub: token.clientId,
    }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP,
      introspection: { enabled: true },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: logoutUri !== undefined },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://orders.test',
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => {
          const found = resources[resource] ?? (loopback.test(resource) ? resources['https://orders.test'] : undefined);
          if (!found) throw Object.assign(new Error('invalid_target'), { error: 'invalid_target', status: 400, statusCode: 400, expose: true });
          return { scope: found.scope, audience: resource, accessTokenFormat: found.format ?? 'jwt', accessTokenTTL: lifetime, ...(found.format ? {} : { jwt: { sign: { alg: found.alg } } }) };
        },
      },
    },
  });
  current = provider;
  return provider.callback();
}

const wait = (ms) => new Promise((done) => { setTimeout(done, ms); });
let callback;
let current;
const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  counts[url.pathname] = (counts[url.pathname] ?? 0) + 1;
  const done = (value) => { response.setHeader('content-type', 'application/json'); response.end(JSON.stringify(value)); };
  switch (url.pathname) {
    case '/control/rotate': { const fresh = await makeKeys(); keys = [...fresh, ...keys]; callback = makeProvider(issuer); return done({ kids: keys.map((k) => k.kid) }); }
    case '/control/retire': { keys = keys.slice(0, algs.length); callback = makeProvider(issuer); return done({ kids: keys.map((k) => k.kid) }); }
    case '/control/fail': { failure = { status: Number(url.searchParams.get('status') ?? 503), times: Number(url.searchParams.get('times') ?? 1) }; return done(failure); }
    case '/control/delay': { delay = Number(url.searchParams.get('ms') ?? 0); return done({ delay }); }
    case '/control/logout': {
      const client = await current.Client.find('svc-basic');
      const sent = client.backchannelLogout(url.searchParams.get('sub'), url.searchParams.get('sid'));
      return done(await sent.then(() => ({ taken: true }), (error) => ({ taken: false, error: error.message })));
    }
    case '/control/counts': return done(counts);
    default:
  }
  if (delay) await wait(delay);
  if (url.pathname === '/jwks' && failure.times > 0) { failure.times -= 1; response.statusCode = failure.status; return response.end(); }
  return callback(request, response);
});

keys = await makeKeys();
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
await new Promise((ready) => { server.once('listening', ready); });
const { port } = server.address();
const issuer = `http://127.0.0.1:${port}`;
callback = makeProvider(issuer);
console.log(JSON.stringify({ issuer, port, clients: { basic: 'svc-basic', post: 'svc-post', pkjwt: 'svc-pkjwt', dpop: 'svc-dpop', secret }, client_key: assertionPrivate }));

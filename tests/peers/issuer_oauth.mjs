// Uses an issuer through npm's oauth4webapi, openid-client and jose. Reads one JSON object, writes one: see
// tests/issuer/peers.rs.
import { text } from 'node:stream/consumers';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const given = JSON.parse(await text(process.stdin));
const insecure = { [oauth.allowInsecureRequests]: true };
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const issuer = new URL(given.issuer);
const seen = {};

// Both documents.
await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oidc' }));
const as = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' }),
);

const key = await crypto.subtle.importKey('jwk', given.private_jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
const orders = { client_id: 'orders' };
const ask = async (client, auth) =>
  oauth.processClientCredentialsResponse(
    as,
    client,
    await oauth.clientCredentialsGrantRequest(as, client, auth, new URLSearchParams({ scope: 'read' }), insecure),
  );
const methods = {
  basic: [orders, oauth.ClientSecretBasic(given.secret)],
  post: [orders, oauth.ClientSecretPost(given.secret)],
  private_key_jwt: [{ client_id: 'signing' }, oauth.PrivateKeyJwt({ key, kid: given.private_jwk.kid })],
};
const tokens = {};
for (const [name, [client, auth]] of Object.entries(methods)) tokens[name] = await ask(client, auth);
seen.scopes = Object.values(tokens).map((token) => token.scope);

// RFC 9068, judged by a resource server of theirs.
const request = new Request('https://billing.example.com/', {
  headers: { authorization: `Bearer ${tokens.basic.access_token}` },
});
seen.claims = await oauth.validateJwtAccessToken(as, request, 'billing', insecure);

const basic = methods.basic[1];
const exchange = new URLSearchParams({ subject_token: given.user_token, subject_token_type: ACCESS_TOKEN });
const exchanged = await oauth.processGenericTokenEndpointResponse(
  as,
  orders,
  await oauth.genericTokenEndpointRequest(as, orders, basic, EXCHANGE, exchange, insecure),
);
seen.issued_token_type = exchanged.issued_token_type;

// jose, its key set held across a rotation.
const keys = createRemoteJWKSet(new URL(as.jwks_uri), { cooldownDuration: 0 });
const verify = (token) => jwtVerify(token, keys, { issuer: as.issuer, audience: 'billing', typ: 'at+jwt' });
seen.act = (await verify(exchanged.access_token)).payload.act;
const before = await verify(tokens.basic.access_token);
await fetch(`${given.issuer}/control/rotate`, { method: 'POST' });
const after = await verify((await ask(...methods.basic)).access_token);
await verify(tokens.basic.access_token);
seen.kids = [before.protectedHeader.kid, after.protectedHeader.kid];

const introspect = async (token) =>
  oauth.processIntrospectionResponse(as, orders, await oauth.introspectionRequest(as, orders, basic, token, insecure));
const revoke = async (token) =>
  oauth.processRevocationResponse(await oauth.revocationRequest(as, orders, basic, token, insecure));
const active = [(await introspect(tokens.basic.access_token)).active];
await revoke(tokens.basic.access_token);
active.push((await introspect(tokens.basic.access_token)).active);
seen.active = active;

// A wrong secret, as their client sees it.
seen.refused = await ask(orders, oauth.ClientSecretBasic('a wrong secret, long enough')).then(
  () => 'taken',
  (error) => [error.status ?? error.cause?.[0]?.status, error.error ?? error.code],
);

const config = await openid.discovery(issuer, 'orders', undefined, openid.ClientSecretPost(given.secret), {
  execute: [openid.allowInsecureRequests],
});
const theirs = await openid.clientCredentialsGrant(config, { scope: 'read', audience: 'billing' });
const onward = await openid.genericGrantRequest(config, EXCHANGE, Object.fromEntries(exchange));
seen.openid = [
  (await openid.tokenIntrospection(config, theirs.access_token)).active,
  (await verify(theirs.access_token)).payload.sub,
  (await verify(onward.access_token)).payload.sub,
];
console.log(JSON.stringify(seen));

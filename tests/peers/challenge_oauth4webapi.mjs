// A client that is told nothing but an address and its own secret: npm's oauth4webapi reads the challenges, follows
// `resource_metadata` to the resource's document and from there to the provider, and comes back with a token.
// Reads {"url":…,"client_id":…,"client_secret":…}, writes what it met on the way as one JSON object.
import { text } from 'node:stream/consumers';
import * as oauth from 'oauth4webapi';

const given = JSON.parse(await text(process.stdin));
const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: given.client_id };
const auth = oauth.ClientSecretBasic(given.client_secret);
const seen = { challenges: [] };

// A challenge as the library parses it, or the answer.
const call = async (token, path) => {
  try {
    const answer = await oauth.protectedResourceRequest(token, 'GET', new URL(path, given.url), undefined, undefined, insecure);
    return { status: answer.status, body: await answer.text() };
  } catch (error) {
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
    const [challenge] = error.cause;
    seen.challenges.push({ status: error.status, scheme: challenge.scheme, ...challenge.parameters });
    return { status: error.status, parameters: challenge.parameters };
  }
};

const refused = await call('not-a-token', '/orders');
const expected = new URL('/', given.url); // RFC 9728 §3.3: the document must be about what was called
const resource = await oauth.processResourceDiscoveryResponse(expected, await fetch(refused.parameters.resource_metadata));
seen.resource = resource;
const issuer = new URL(resource.authorization_servers[0]);
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oidc' }));
const ask = async (scope) => {
  const parameters = new URLSearchParams({ scope, resource: resource.resource });
  const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, insecure);
  return (await oauth.processClientCredentialsResponse(as, client, answer)).access_token;
};

const reader = await ask('orders:read');
seen.read = await call(reader, '/orders');
const denied = await call(reader, '/orders/write');
seen.written = await call(await ask(denied.parameters.scope), '/orders/write');
console.log(JSON.stringify(seen));

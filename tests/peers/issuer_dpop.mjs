// Requests bound tokens from an issuer through npm's oauth4webapi, and uses them at a resource server. Reads one JSON object,
// writes one: see tests/issuer/dpop_peers.rs.
import { text } from 'node:stream/consumers';
import * as oauth from 'oauth4webapi';

const given = JSON.parse(await text(process.stdin));
const insecure = { [oauth.allowInsecureRequests]: true };
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const issuer = new URL(given.issuer);
const as = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' }),
);
const client = { client_id: 'orders' };
const auth = oauth.ClientSecretBasic(given.secret);

// Their client repeats a request once if a nonce is demanded.
let repeated = 0;
const withNonce = async (send) => {
  try {
    return await send();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    repeated += 1;
    return send();
  }
};
let sent;
const recording = {
  [oauth.customFetch]: (url, options) => {
    sent = [url, options];
    return fetch(url, options);
  },
};
const ask = (DPoP) =>
  withNonce(async () =>
    oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(as, client, auth, new URLSearchParams({ scope: 'read' }), {
        ...insecure,
        ...recording,
        DPoP,
      }),
    ),
  );
const exchange = (DPoP, subject) =>
  withNonce(async () =>
    oauth.processGenericTokenEndpointResponse(
      as,
      client,
      await oauth.genericTokenEndpointRequest(
        as,
        client,
        auth,
        EXCHANGE,
        new URLSearchParams({ subject_token: subject, subject_token_type: ACCESS_TOKEN }),
        { ...insecure, DPoP },
      ),
    ),
  );
const use = (DPoP, token) =>
  withNonce(() => oauth.protectedResourceRequest(token, 'GET', new URL(given.resource), undefined, undefined, { ...insecure, DPoP }));
const refusal = (promise) =>
  promise.then(
    (found) => ['taken', found.status],
    (error) => [error.status ?? error.cause?.[0]?.status, error.error ?? error.cause?.[0]?.parameters?.error ?? error.code],
  );

const seen = { algorithms: as.dpop_signing_alg_values_supported, tokens: [] };
let token;
for (const algorithm of given.algorithms) {
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(algorithm));
  token = await ask(DPoP);
  const used = [await use(DPoP, token.access_token), await use(DPoP, token.access_token)];
  seen.tokens.push({
    type: token.token_type,
    token: token.access_token,
    jkt: await DPoP.calculateThumbprint(),
    used: await Promise.all(used.map(async (response) => [response.status, await response.text()])),
  });
}
seen.repeated = repeated;

// The same request once more, byte for byte.
const again = await fetch(...sent);
seen.replayed = [again.status, (await again.json()).error];

// The last token without a proof, and with that of another key.
const thief = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
seen.stolen = [
  await refusal(oauth.protectedResourceRequest(token.access_token, 'GET', new URL(given.resource), undefined, undefined, insecure)),
  await refusal(use(thief, token.access_token)),
];

// A caller's token for this client, bound to the caller's key: without that key, and with it.
const own = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
seen.exchanged = [await exchange(own, given.user_token)].map((response) => response.token_type);
seen.exchanged.push(await refusal(exchange(own, given.bound_user_token)));
console.log(JSON.stringify(seen));

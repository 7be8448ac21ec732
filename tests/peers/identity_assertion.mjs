// Signs identity assertions with npm's jose, and presents them to an issuer with oauth4webapi. Reads one JSON object, writes one:
// see tests/issuer/assertion_peers.rs.
import { text } from 'node:stream/consumers';
import * as oauth from 'oauth4webapi';
import { SignJWT, createRemoteJWKSet, importJWK, jwtVerify } from 'jose';

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const given = JSON.parse(await text(process.stdin));
const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(given.issuer);
const as = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' }),
);

const key = await importJWK(given.private_jwk, 'ES256');
const assertion = (claims, typ = 'oauth-id-jag+jwt') =>
  new SignJWT({ client_id: 'agent', resource: given.resource, scope: 'tools:read', ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: given.private_jwk.kid, typ })
    .setIssuer(given.provider)
    .setSubject('ann')
    .setAudience(as.issuer)
    .setIssuedAt()
    .setExpirationTime('60s')
    .setJti(crypto.randomUUID())
    .sign(key);

const agent = { client_id: 'agent' };
const basic = oauth.ClientSecretBasic(given.secret);
const present = async (jwt, options = insecure) => {
  const parameters = new URLSearchParams({ assertion: jwt });
  const response = await oauth.genericTokenEndpointRequest(as, agent, basic, GRANT, parameters, options);
  return oauth.processGenericTokenEndpointResponse(as, agent, response);
};
const refusal = (request) => request.then(() => 'accepted', (error) => error.error ?? String(error));

const first = await assertion({});
const granted = await present(first);
const expected = { issuer: as.issuer, audience: given.resource, typ: 'at+jwt' };
const { payload } = await jwtVerify(granted.access_token, createRemoteJWKSet(new URL(as.jwks_uri)), expected);
const DPoP = oauth.DPoP(agent, await oauth.generateKeyPair('ES256'));
const bound = await present(await assertion({}), { ...insecure, DPoP });
console.log(
  JSON.stringify({
    profiles: as.authorization_grant_profiles_supported,
    scope: granted.scope,
    resource: granted.resource,
    payload,
    bound: bound.token_type,
    refused: [
      await refusal(present(first)),
      await refusal(present(await assertion({}, 'JWT'))),
      await refusal(present(await assertion({ client_id: 'other' }))),
      await refusal(present(await assertion({ resource: 'https://else.example.com/' }))),
    ],
  }),
);

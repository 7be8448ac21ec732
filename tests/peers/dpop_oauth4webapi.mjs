// Judges requests as a resource server: npm's oauth4webapi with DPoP required.
// Reads {"issuer":…,"audience":…,"keys":[…] or "jwks_uri":…,"requests":[{"method","url","authorization","dpop"}]},
// writes one JSON array: {"jkt":…} for an accepted request, {"refused":…} for another.
import { text } from 'node:stream/consumers';
import * as oauth from 'oauth4webapi';

const given = JSON.parse(await text(process.stdin));
const as = { issuer: given.issuer, jwks_uri: given.jwks_uri ?? 'https://id.test/jwks' };
const options = { requireDPoP: true, [oauth.allowInsecureRequests]: true };
if (given.keys) options[oauth.customFetch] = async () => Response.json({ keys: given.keys });

const verdicts = [];
for (const { method, url, authorization, dpop } of given.requests) {
  const headers = new Headers({ authorization });
  if (dpop) headers.set('dpop', dpop);
  try {
    const claims = await oauth.validateJwtAccessToken(as, new Request(url, { method, headers }), given.audience, options);
    verdicts.push({ jkt: claims.cnf.jkt });
  } catch (error) {
    verdicts.push({ refused: error.message });
  }
}
console.log(JSON.stringify(verdicts));

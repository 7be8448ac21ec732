// The time that npm's oauth4webapi takes for one request with a bound token and its proof, and WebCrypto for both signatures
// by themselves. Reads {"issuer","audience","jwks":[issuer's,client's],"method","url","authorization","dpop","rounds","turn"},
// writes {"version","node","nanos","raw"}: medians of the rounds, which alternate. `tests/peers/install` installs it.
import { text } from 'node:stream/consumers';
import { readFile } from 'node:fs/promises';

const folder = new URL('../../tests/peers/node_modules/oauth4webapi/', import.meta.url);
const { version } = JSON.parse(await readFile(new URL('package.json', folder), 'utf8'));
const oauth = await import(new URL('build/index.js', folder));

const given = JSON.parse(await text(process.stdin));
const as = { issuer: given.issuer, jwks_uri: 'https://id.test/jwks' };
// The keys are fetched once: the library keeps them with `as`.
const options = { requireDPoP: true, [oauth.customFetch]: async () => Response.json({ keys: [given.jwks[0]] }) };
const headers = new Headers({ authorization: given.authorization, dpop: given.dpop });
const request = new Request(given.url, { method: given.method, headers });
const validate = () => oauth.validateJwtAccessToken(as, request, given.audience, options);

const ES256 = { name: 'ECDSA', hash: 'SHA-256' };
const signed = async (jwt, { kty, crv, x, y }) => {
  const [header, claims, signature] = jwt.split('.');
  const key = await crypto.subtle.importKey('jwk', { kty, crv, x, y }, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
  return [ES256, key, Buffer.from(signature, 'base64url'), Buffer.from(`${header}.${claims}`)];
};
const [token, proof] = [await signed(given.authorization.slice('DPoP '.length), given.jwks[0]), await signed(given.dpop, given.jwks[1])];
const raw = async () => {
  if (!((await crypto.subtle.verify(...token)) && (await crypto.subtle.verify(...proof)))) throw new Error('a signature does not match');
};

const turn = async (once, times) => {
  const start = process.hrtime.bigint();
  for (let n = 0; n < times; n += 1) await once();
  return Number(process.hrtime.bigint() - start) / times;
};
const claims = await validate();
if (typeof claims.cnf.jkt !== 'string') throw new Error('not bound');
await turn(validate, 500); // compiled by then
await turn(raw, 500);
const times = Math.max(20, Math.ceil((given.turn * 1e6) / (await turn(validate, 50))));
const [found, foundRaw] = [[], []];
for (let round = 0; round < given.rounds; round += 1) {
  found.push(await turn(validate, times));
  foundRaw.push(await turn(raw, times));
}
const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];
console.log(JSON.stringify({ version, node: process.version, nanos: median(found), raw: median(foundRaw) }));

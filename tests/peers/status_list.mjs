// Reads and writes status lists with npm's @sd-jwt/jwt-status-list. Reads one JSON object, writes one: see
// tests/issuer/status_lists.rs.
import { StatusList, createHeaderAndPayload, getListFromStatusListJWT, getStatusListFromJWT } from '@sd-jwt/jwt-status-list';
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';

const input = JSON.parse(await new Response(process.stdin).text());

// Ours: the signature by jose, the place and the statuses by the library.
const { payload } = await jwtVerify(input.list, createLocalJWKSet(input.jwks), { typ: 'statuslist+jwt', subject: input.uri });
const place = getStatusListFromJWT(input.token);
const list = getListFromStatusListJWT(input.list);
const statuses = input.indices.map((index) => list.getStatus(index));

// Theirs, for each number of bits.
const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const written = [];
for (const bits of [1, 2, 4, 8]) {
  const values = Array.from({ length: 1000 }, (_, index) => (index * 7) % 2 ** bits);
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: `${input.base}${bits}`, iat: now, exp: now + 3600, ttl: 60 };
  const made = createHeaderAndPayload(new StatusList(values, bits), claims, { alg: 'ES256', kid: 'theirs' });
  const jwt = await new SignJWT(made.payload).setProtectedHeader(made.header).sign(privateKey);
  written.push({ bits, values, jwt });
}
const key = { ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'theirs', use: 'sig' };
console.log(JSON.stringify({ place, statuses, ttl: payload.ttl, written, key }));

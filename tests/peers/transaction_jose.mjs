// Mints a transaction token with npm's jose, and verifies ours. Reads one JSON object, writes one: see
// tests/transactions/peers.rs.
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';

const input = JSON.parse(await new Response(process.stdin).text());
const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'jose', use: 'sig' };
const header = { alg: 'ES256', kid: 'jose', typ: 'txntoken+jwt' };
const token = await new SignJWT(input.claims).setProtectedHeader(header).sign(privateKey);

const options = { audience: input.domain, issuer: input.issuer, typ: 'txntoken+jwt', algorithms: ['ES256'] };
options.requiredClaims = ['iat', 'exp', 'txn', 'sub', 'scope', 'req_wl'];
const verify = (more) => jwtVerify(input.token, createLocalJWKSet(input.keys), { ...options, ...more });
const { payload, protectedHeader } = await verify({});
const asAccessToken = await verify({ typ: 'at+jwt' }).then(() => 'accepted', (error) => error.code);
console.log(JSON.stringify({ token, key: jwk, payload, header: protectedHeader, asAccessToken }));

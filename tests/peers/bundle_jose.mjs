// Verifies a policy bundle with npm's jose, and signs one. Reads one JSON object, writes one: see tests/bundles/peers.rs.
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';

const input = JSON.parse(await new Response(process.stdin).text());
const typ = 'policy-bundle+jwt';
const options = {
  audience: input.fleet, typ, algorithms: ['ES256'], currentDate: new Date(input.now * 1000), requiredClaims: ['exp', 'iat'],
};
const verify = (text, more) => jwtVerify(text, createLocalJWKSet(input.keys), { ...options, ...more });
const { payload, protectedHeader } = await verify(input.bundle, {});
const outcome = (text, more) => verify(text, more).then(() => 'accepted', (error) => error.code);
const [header, , signature] = input.bundle.split('.');
const changed = Buffer.from(JSON.stringify({ ...payload, revision: 99 })).toString('base64url');

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'jose', use: 'sig' };
const made = await new SignJWT(input.payload).setProtectedHeader({ alg: 'ES256', kid: 'jose', typ }).sign(privateKey);
console.log(JSON.stringify({
  payload, header: protectedHeader, made, key,
  tampered: await outcome(`${header}.${changed}.${signature}`, {}),
  other_fleet: await outcome(input.bundle, { audience: 'shop-test' }),
}));

// Mints and verifies with npm's jose. Reads one JSON object, writes one: see tests/interop/main.rs.
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose';

const input = JSON.parse(await new Response(process.stdin).text().catch(() => '{}'));
const output = { tokens: [], keys: [], unsupported: [], verdicts: [] };

for (const alg of input.algorithms) {
  try {
    const kid = `jose-${alg}`;
    let key, jwk;
    if (alg.startsWith('HS')) {
      jwk = { kty: 'oct', k: Buffer.from(crypto.getRandomValues(new Uint8Array(64))).toString('base64url'), alg, kid };
      key = await importJWK(jwk, alg);
    } else {
      const pair = await generateKeyPair(alg, { extractable: true });
      key = pair.privateKey;
      jwk = { ...(await exportJWK(pair.publicKey)), alg, kid, use: 'sig' };
    }
    const token = await new SignJWT(input.claims).setProtectedHeader({ alg, kid, typ: 'at+jwt' }).sign(key);
    output.tokens.push({ alg, token });
    output.keys.push(jwk);
  } catch (error) {
    output.unsupported.push(alg);
  }
}

const set = createLocalJWKSet({ keys: input.keys.filter((key) => key.kty !== 'oct') });
for (const { alg, token } of input.tokens) {
  try {
    const secret = input.keys.find((key) => key.kty === 'oct' && key.alg === alg);
    const key = secret ? await importJWK(secret, alg) : set;
    const options = { issuer: input.claims.iss, audience: input.claims.aud, typ: 'at+jwt', algorithms: [alg] };
    const { payload } = await jwtVerify(token, key, options);
    output.verdicts.push({ alg, subject: payload.sub });
  } catch (error) {
    output.verdicts.push({ alg, refused: `${error.code ?? error.name}: ${error.message}` });
  }
}
console.log(JSON.stringify(output));

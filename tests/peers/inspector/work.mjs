// Signing, sending, attacking, converting.
import { assert, cells, check, decoded, paste, trust, until, verdict } from './lib.mjs';

async function sign(page) {
  await page.click('#mint-go');
  await until(page, () => document.getElementById('mint-message').textContent !== '');
  return page.textContent('#mint-message');
}

async function helped(page, tool, text, other) {
  await page.selectOption('#tool', tool);
  await page.fill('#helper-text', text);
  if (other !== undefined) await page.fill('#helper-other', other);
  await page.click('#helper-go');
  await until(page, () => document.getElementById('helper-out').value !== '' || document.getElementById('helper-message').textContent !== '');
  return (await page.inputValue('#helper-out')) || `message: ${await page.textContent('#helper-message')}`;
}

export const scenarios = {
  'claims are edited and signed again with a generated, a test kit or a pasted key': async ({ page, world }) => {
    await paste(page, world.tokens.expired);
    const claims = decoded(world.tokens.expired.split('.')[1]);
    await page.fill('#claims', JSON.stringify({ ...claims, sub: 'eve', plan: 'gold' }));
    await trust(page, { issuer: world.issuer, audience: 'orders' });
    for (const [key, algorithm, kid] of [['fresh', 'ES256', /fresh-es256/], ['fresh', 'Ed25519', /fresh-ed25519/], ['kit', null, /test-only-1/]]) {
      await page.selectOption('#mint-key', key);
      if (algorithm) await page.selectOption('#mint-algorithm', algorithm);
      assert.match(await sign(page), kid);
      const minted = (await page.inputValue('#token')).split('.');
      assert.deepEqual([decoded(minted[1]).sub, decoded(minted[1]).plan], ['eve', 'gold']);
      assert.ok(decoded(minted[1]).exp > Date.now() / 1000, 'dated from now');
      await page.evaluate(() => { document.getElementById('verdict').dataset.state = 'asking'; });
      await page.click('#mint-trust');
      const found = await verdict(page);
      assert.equal(found.state, 'verified', found.message);
      assert.match(found.origin, /test keys of this inspector/);
    }
    await page.selectOption('#mint-key', 'pasted');
    await page.selectOption('#mint-algorithm', 'ES256');
    await page.fill('#mint-pasted', world.private_pem);
    assert.match(await sign(page), /Signed with the key/);
    await trust(page, { keyChoice: 'pem', keys: world.pasted_pem });
    assert.equal((await check(page)).state, 'verified');
    await page.fill('#mint-pasted', 'no key');
    assert.match(await sign(page), /not a PEM private key/);
    // Without new times, invalid claims are signed unchanged.
    await page.selectOption('#mint-key', 'fresh');
    await page.uncheck('#mint-renew');
    await page.fill('#claims', '[1,2]');
    assert.match(await sign(page), /Signed/);
    assert.deepEqual(decoded((await page.inputValue('#token')).split('.')[1]), [1, 2]);
  },

  'a proof is explained member by member, for the token above': async ({ page, world }) => {
    const explain = async () => {
      await page.click('#proof-go');
      await until(page, () => document.getElementById('proof-message').textContent !== '');
      return page.textContent('#proof-message');
    };
    const failed = async () => (await cells(page, 'proof-checks')).filter((row) => row[1].startsWith('✗')).map((row) => row[0]);
    await paste(page, world.tokens.bound);
    await trust(page, { 'check-at': String(decoded(world.proof.split('.')[1]).iat) });
    await page.fill('#proof', world.proof);
    await page.fill('#proof-url', 'https://api.test/orders?page=2');
    assert.match(await explain(), /^✓ Accepted: every check passed/);
    assert.deepEqual(await failed(), []);
    await page.fill('#proof-method', 'POST');
    assert.ok(await page.isHidden('#proof-box'), 'outdated');
    assert.match(await explain(), /^✗ Refused: proof_wrong_method: .* To fix it: /);
    assert.deepEqual(await failed(), ['htm']);
    const row = (await cells(page, 'proof-checks')).find((cell) => cell[0] === 'htm');
    assert.deepEqual(row.slice(2, 4), ['POST', '"GET"']);
    await page.fill('#proof-method', 'GET');
    await page.fill('#proof-nonce', 'demanded');
    assert.match(await explain(), /proof_nonce_required/);
    await page.fill('#proof-nonce', '');
    await paste(page, world.tokens.good);
    assert.match(await explain(), /proof_wrong_token/);
    await trust(page, { 'check-at': '' });
    await page.fill('#proof', world.tokens.good);
    assert.match(await explain(), /proof_wrong_type/);
    await page.fill('#proof-url', 'nowhere');
    assert.match(await explain(), /not an http or https address/);
    assert.ok(await page.isHidden('#proof-box'));
    await page.click('#clear');
    assert.equal(await page.inputValue('#proof'), '');
  },

  'the example token is verified': async ({ page }) => {
    await page.click('#example');
    await until(page, () => document.getElementById('parts').childNodes.length > 0 && document.getElementById('key-choice').value === 'local');
    assert.equal((await check(page)).state, 'verified');
  },

  'copied as header, curl and Rust test': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    await page.fill('#url', "http://127.0.0.1:1/it's");
    const copied = async (form) => {
      await page.evaluate(() => { document.getElementById('copied').textContent = ''; });
      await page.click(`[data-copy=${form}]`);
      await until(page, () => document.getElementById('copied').textContent !== '');
      await until(page, () => document.getElementById('mint-message').textContent === 'Copied.');
      await page.focus('#other');
      await page.fill('#other', '');
      await page.keyboard.press('Control+v'); // from the real clipboard
      const pasted = await page.inputValue('#other');
      assert.equal(pasted, await page.textContent('#copied'));
      return pasted;
    };
    assert.equal(await copied('header'), `Authorization: Bearer ${world.tokens.good}`);
    assert.equal(await copied('curl'), `curl -i 'http://127.0.0.1:1/it'\\''s' -H 'Authorization: Bearer ${world.tokens.good}'`);
    assert.match(await copied('rust'), /#\[tokio::test\][^]*\.subject\("ann"\)[^]*verifier\.verify/);
  },

  'a token is sent to a local service': async ({ page, world }) => {
    await trust(page, { issuer: world.issuer, audience: 'orders', keyChoice: 'jwks', keys: world.jwks });
    await page.fill('#url', world.guarded);
    const tried = async (token) => {
      await paste(page, token);
      await page.click('#try-go');
      await page.locator('#try-result').waitFor();
      const text = (id) => page.textContent(`#${id}`);
      return { message: await text('try-message'), status: await text('try-status'), headers: await text('try-headers'), body: await text('try-body'),
        verdict: await text('try-verdict'), checks: await text('try-checks') };
    };
    const good = await tried(world.tokens.good);
    assert.match(good.status, /^200 OK/);
    assert.equal(good.body, 'orders of ann');
    assert.match(good.verdict, /^Verified/);
    assert.match(good.message, /^They agree/);
    const expired = await tried(world.tokens.expired);
    assert.match(expired.status, /^401/);
    assert.match(expired.headers, /www-authenticate.*Bearer.*invalid_token/);
    assert.match(expired.checks, /expiry: failed/);
    assert.match(expired.message, /^They agree/);
    await page.fill('#url', world.open);
    assert.match((await tried(world.tokens.expired)).message, /^They differ.*Is the route guarded/);
    await page.locator('#try-part').screenshot({ path: `${world.shots}/tried.png` });
    for (const [url, cause] of [['https://example.com/', /not on this machine; start with --allow-host/], ['http://127.0.0.1.example.com/', /not on this machine/],
      ['http://169.254.169.254/', /not on this machine/], ['http://user@127.0.0.1/', /user part/], ['file:///etc/passwd', /only http/],
      [world.closed, /connection refused/], ['', /not a URL/]]) {
      await page.fill('#url', url);
      await page.evaluate(() => { document.getElementById('try-message').textContent = ''; });
      await page.click('#try-go');
      await until(page, () => document.getElementById('try-message').textContent !== '');
      assert.match(await page.textContent('#try-message'), cause, url);
      assert.equal(await page.isVisible('#try-result'), false);
    }
  },

  'the attack list shows what got through': async ({ page, world }) => {
    await page.click('#example');
    await until(page, () => document.getElementById('claims').value.includes('"ann"'));
    const attacked = async (url) => {
      await page.fill('#url', url);
      await page.click('#attack-go');
      await until(page, () => !document.getElementById('attack-go').disabled);
      return [await page.textContent('#try-message'), await cells(page, 'attacks')];
    };
    const [guarded, refused] = await attacked(world.trusting_us);
    assert.match(guarded, /^None of \d+ attacks got through/);
    assert.ok(refused.length > 80 && refused.every((cell) => cell[3] === '✓ refused'), guarded);
    for (const name of ['alg_none', 'wrong_audience', 'expired', 'payload_swapped']) assert.ok(refused.some((cell) => cell[0] === name), name);
    assert.match(guarded, /\d+ attacks on bound tokens were skipped: a valid bound token with its proof was answered with 401/);
    const [bound, proofs] = await attacked(world.taking_bound);
    assert.match(bound, /^None of \d+ attacks got through\.$/);
    assert.ok(proofs.length > refused.length + 30 && proofs.every((cell) => cell[3] === '✓ refused'), bound);
    for (const name of ['bound_as_bearer', 'proof_replayed', 'proof_of_another_token']) assert.ok(proofs.some((cell) => cell[0] === name), name);
    const [open, rows] = await attacked(world.open);
    assert.match(open, /^\d+ of \d+ attacks got through/);
    assert.equal(rows[0][3], '✗ got through', 'successful attacks come first');
    await page.screenshot({ path: `${world.shots}/attacks.png` });
    const [strange, none] = await attacked(world.guarded);
    assert.match(strange, /valid token was answered with 401.*well-known\/jwks.json/);
    assert.equal(none.length, 0);
  },

  'every helper works': async ({ page, world }) => {
    assert.equal(await helped(page, 'base64url_encode', 'grüße?>'), Buffer.from('grüße?>').toString('base64url'));
    assert.equal(await helped(page, 'base64url_decode', 'Z3LDvMOfZT8-'), 'grüße?>');
    assert.match(await helped(page, 'base64url_decode', 'Z3LD*MOf'), /byte 4/);
    assert.equal(await helped(page, 'json_pretty', '{"b":1,"a":[]}'), '{\n  "b": 1,\n  "a": []\n}');
    assert.equal(await helped(page, 'json_compact', '{ "b" : 1 }'), '{"b":1}');
    assert.equal(await helped(page, 'json_compact', '{'), 'message: not JSON');
    const set = JSON.parse(await helped(page, 'to_jwk', world.pem));
    assert.equal(set.keys[0].x, JSON.parse(world.jwks).keys[0].x);
    const pem = (text) => text.replace(/\s/g, '');
    assert.equal(pem(await helped(page, 'to_pem', world.jwks)), pem(world.pem));
    assert.equal(await helped(page, 'thumbprint', world.rfc7638), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n');
    assert.equal(await helped(page, 'sha256', 'abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    const stored = await helped(page, 'argon2id', 'quaint-heron');
    assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.equal(await helped(page, 'hash_check', 'quaint-heron', stored), 'the secret matches the hash');
    assert.equal(await helped(page, 'hash_check', 'other', stored), 'the secret does not match the hash');
    assert.equal(await helped(page, 'hash_check', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'), 'the secret matches the hash');
    assert.match(await helped(page, 'uuid_v4', ''), /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert.match(await helped(page, 'uuid_v7', ''), /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    assert.equal(JSON.parse(await helped(page, 'uuid_parse', '017F22E2-79B0-7CC3-98C4-DC0C0C07398F')).made_at_utc, '2022-02-22T19:22:22Z');
  },
};

// The editor and the verdict.
import { assert, cells, check, decoded, paste, settled, trust, until, verdict } from './lib.mjs';

const checkedBy = (world, more = {}) => ({ issuer: world.issuer, audience: 'orders', keyChoice: 'jwks', keys: world.jwks, ...more });

export const scenarios = {
  'token, header and claims edit each other': async ({ page, world }) => {
    await paste(page, `Authorization: Bearer ${world.tokens.good}`);
    const [header, claims, signature] = world.tokens.good.split('.');
    assert.deepEqual(JSON.parse(await page.inputValue('#header')), decoded(header));
    assert.deepEqual(JSON.parse(await page.inputValue('#claims')), decoded(claims));

    await page.fill('#claims', JSON.stringify({ ...decoded(claims), sub: 'eve' }));
    await until(page, (before) => { const token = document.getElementById('token').value; return !token.includes(before) && token.split('.').length === 3; }, claims);
    let token = (await page.inputValue('#token')).split('.');
    assert.equal(decoded(token[1]).sub, 'eve');
    assert.deepEqual([token[0], token[2]], [header, signature], 'the other parts do not change');

    await page.fill('#header', '{"alg":"none"}');
    await until(page, (before) => !document.getElementById('token').value.startsWith(before), header);
    token = (await page.inputValue('#token')).split('.');
    assert.deepEqual(decoded(token[0]), { alg: 'none' });
    assert.match(await page.textContent('#warnings'), /alg is none/);

    await page.fill('#token', world.tokens.good);
    await until(page, () => document.getElementById('claims').value.includes('"ann"'));
    // Undoing an edit restores the same token, with its order and spelling.
    await page.press('#claims', 'Space');
    await page.press('#claims', 'Backspace');
    await until(page, (good) => document.getElementById('token').value === good, world.tokens.good);
  },

  'invalid tokens are decoded as far as possible': async ({ page, world }) => {
    await page.click('#clear');
    await until(page, () => document.getElementById('verdict').dataset.state === 'unchecked');
    const [header, claims, signature] = world.tokens.good.split('.');
    await paste(page, `${header}.${claims.slice(0, 24)}!${claims.slice(25)}.${signature}`);
    assert.deepEqual(JSON.parse(await page.inputValue('#header')), decoded(header));
    assert.ok((await page.inputValue('#claims')).startsWith('{"'), 'the claims up to the fault');
    assert.equal(await page.textContent('#parts mark'), '!');
    assert.match(await page.textContent('#faults'), new RegExp(`byte ${header.length + 1 + 24}: 0x21`));
    await page.fill('#token', header);
    await until(page, () => document.getElementById('faults').textContent.includes('1 segment'));
    assert.deepEqual(JSON.parse(await page.inputValue('#header')), decoded(header));
    await page.fill('#token', 'complete nonsense');
    await until(page, () => document.getElementById('faults').textContent.includes('not a JSON object'));
    assert.equal((await verdict(page)).state, 'unchecked');
    await page.fill('#header', '{"alg":');
    await until(page, () => document.getElementById('token').value.startsWith('eyJhbGciOg'));
    assert.equal(await page.inputValue('#header'), '{"alg":', 'text that is being typed does not change');
  },

  'verified, with the origin of the key': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    await trust(page, checkedBy(world));
    const found = await check(page);
    assert.deepEqual([found.state, found.title], ['verified', 'Verified']);
    assert.match(found.origin, /key set pasted/);
    const rows = await cells(page, 'report');
    assert.ok(rows.length > 10 && rows.every((cell) => cell[1] === '✓ passed'), JSON.stringify(rows));
  },

  'refused, with the reason and the remedy': async ({ page, world }) => {
    await trust(page, checkedBy(world));
    for (const [name, code, cause, remedy] of [
      ['expired', 'expired', /exp|end/i, /fetch a new token/],
      ['for_billing', 'wrong_audience', /billing/, /aud names this service/],
      ['tampered', 'bad_signature', /signature/, /modified, or signed with another key/],
      ['unsigned', 'malformed', /./, /unchanged/],
    ]) {
      await paste(page, world.tokens[name]);
      const found = await check(page);
      assert.equal(found.state, 'refused', name);
      assert.equal(found.title, `Refused (${code})`);
      assert.match(found.message, cause, name);
      assert.match(found.remedy, remedy, name);
      const failed = (await cells(page, 'report')).filter((cell) => cell[1].startsWith('✗'));
      assert.ok(failed.some((cell) => cell[1] === `✗ ${code}` && remedy.test(cell[4])), JSON.stringify(failed));
    }
    await paste(page, world.tokens.for_billing);
    await check(page);
    const audience = (await cells(page, 'report')).find((cell) => cell[0] === 'audience');
    assert.deepEqual(audience.slice(1, 4), ['✗ wrong_audience', 'orders', '"billing"']);
  },

  'not checked is neither good nor bad': async ({ page, world }) => {
    await page.click('#clear');
    await until(page, () => document.getElementById('verdict').dataset.state === 'unchecked');
    assert.equal((await verdict(page)).state, 'unchecked');
    await paste(page, world.tokens.good);
    assert.equal((await verdict(page)).title, 'Not checked');
    assert.equal((await check(page)).state, 'unchecked');
    await trust(page, { keyChoice: 'jwks', keys: world.jwks });
    const found = await check(page);
    assert.equal(found.state, 'unchecked');
    assert.match(found.message, /issuer and audience are required.*signature matches/);
  },

  'could not check is not a refusal': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    await trust(page, checkedBy(world, { keyChoice: 'url', keys: world.closed }));
    const found = await check(page);
    assert.deepEqual([found.state, found.title], ['unable', 'Could not check (keys_unavailable)']);
    assert.match(found.origin, new RegExp(world.closed));
    await trust(page, { keyChoice: 'jwks', keys: '{"keys":' });
    assert.equal((await check(page)).state, 'unable');
    await trust(page, { keys: world.jwks, leeway: '9999' });
    const odd = await check(page);
    assert.equal(odd.state, 'unable');
    assert.match(odd.message, /leeway/);
  },

  'a verdict is outdated when an input changes': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    await trust(page, checkedBy(world));
    const changes = {
      token: () => page.press('#token', 'a'), header: () => page.press('#header', 'Space'), claims: () => page.press('#claims', 'Space'),
      issuer: () => page.press('#issuer', 'x'), audience: () => page.press('#audience', 'x'), keys: () => page.press('#keys', 'Space'),
      'key-choice': () => page.selectOption('#key-choice', 'none'), algorithms: () => page.fill('#algorithms', 'ES256'), typ: () => page.fill('#typ', 'JWT'),
      leeway: () => page.fill('#leeway', '10'), 'check-at': () => page.fill('#check-at', '1'),
      sign: async () => { await page.click('#mint-go'); await page.waitForFunction(() => document.getElementById('mint-message').textContent.startsWith('Signed')); },
    };
    for (const [name, change] of Object.entries(changes)) {
      await page.fill('#token', world.tokens.good);
      await settled(page);
      await trust(page, checkedBy(world, { algorithms: '', typ: '', leeway: '', 'check-at': '' }));
      const before = await check(page);
      assert.deepEqual([before.state, before.stale], ['verified', false], name);
      // Seen by an observer, because the page checks again soon.
      await page.evaluate(() => {
        window.outdated = false;
        window.observer?.disconnect();
        window.observer = new MutationObserver(() => {
          const isOutdated = document.getElementById('verdict').dataset.stale === 'true' && !document.getElementById('verdict-stale').hidden;
          window.outdated ||= isOutdated;
        });
        window.observer.observe(document.getElementById('verdict'), { attributes: true, subtree: true });
      });
      await change();
      await until(page, () => window.outdated);
    }
    await page.fill('#token', world.tokens.good);
    await trust(page, checkedBy(world, { algorithms: '', typ: '', leeway: '', 'check-at': '' }));
    assert.equal((await check(page)).stale, false, 'a new check is current');
  },

  'a key embedded in the token proves nothing': async ({ page, world }) => {
    await paste(page, world.tokens.own_key);
    assert.match(await page.textContent('#warnings'), /jwk: a key embedded in a token proves nothing/);
    await trust(page, { issuer: world.issuer, audience: 'orders', keyChoice: 'token' });
    const own = await check(page);
    assert.deepEqual([own.state, own.title], ['unchecked', 'Not checked']);
    assert.match(own.origin, /the token’s own header|the token's own header: proves nothing/);
    assert.match(own.message, /anyone can make such a token/);
    await trust(page, checkedBy(world));
    const found = await check(page);
    assert.equal(found.state, 'refused');
    assert.match(found.warning, /contains jwk; it was not used/);
    // The same key supplied by the user: the page reports that the token contains it too.
    await trust(page, checkedBy(world, { keys: world.own_jwks }));
    const named = await check(page);
    assert.equal(named.state, 'verified');
    assert.match(named.warning, /contains this same key/);
  },

  'keys from every location': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    for (const [keyChoice, keys, origin] of [
      ['pem', world.pem, /PEM pasted/], ['url', world.jwks_url, /key set at http/], ['policy', world.policy, /the policy itself/],
    ]) {
      await trust(page, checkedBy(world, { keyChoice, keys }));
      const found = await check(page);
      assert.equal(found.state, 'verified', `${keyChoice}: ${found.message}`);
      assert.match(found.origin, origin);
    }
    await paste(page, world.tokens.discovered);
    await trust(page, { issuer: world.provider, audience: 'orders', keyChoice: 'discovery' });
    const found = await check(page);
    assert.equal(found.state, 'verified', found.message);
    assert.match(found.origin, /discovery at http/);
    await paste(page, world.tokens.shared);
    await trust(page, { issuer: world.issuer, audience: 'orders', keyChoice: 'secret', keys: world.secret });
    const shared = await check(page);
    assert.equal(shared.state, 'verified', shared.message);
    assert.match(shared.origin, /can forge/);
    await page.selectOption('#key-choice', 'jwks');
    await page.setInputFiles('#keys-file', { name: 'keys.json', mimeType: 'application/json', buffer: Buffer.from(world.jwks) });
    await until(page, () => document.getElementById('keys').value.startsWith('{"keys"'));
  },

  'two tokens are compared claim by claim': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    await page.fill('#other', world.tokens.for_billing);
    await page.locator('#compare-box').waitFor();
    const rows = await cells(page, 'comparison');
    const named = (name) => rows.find((cell) => cell[1] === name);
    assert.deepEqual(named('aud').slice(2), ['orders', 'billing', '≠ differs']);
    assert.equal(named('iss')[4], '= same');
    assert.deepEqual(named('scope').slice(3), ['–', '← first only']);
    assert.equal(named('alg')[0], 'header');
    assert.match(await page.textContent('#compare-message'), /\d+ of \d+ differ/);
    await page.fill('#other', world.tokens.good);
    await until(page, () => document.getElementById('compare-message').textContent === 'No differences.');
  },
};

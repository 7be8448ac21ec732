// Appearance, accessibility and use of the page.
import { createRequire } from 'node:module';
import { assert, cells, check, filled, paste, trust, until, verdict } from './lib.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const LOOKS = {
  light: { colorScheme: 'light', size: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', size: { width: 1280, height: 900 } },
  narrow: { colorScheme: 'light', size: { width: 390, height: 844 } },
  'narrow-dark': { colorScheme: 'dark', size: { width: 390, height: 844 } },
  'very-narrow': { colorScheme: 'light', size: { width: 320, height: 640 } },
};

/** Every fault that axe finds, WCAG A to AA and its own good practice. */
async function faults(page) {
  const { readFileSync } = await import('node:fs');
  await page.evaluate(readFileSync(axe, 'utf8')); // by the debugger, so that the page's own policy stays in force
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  assert.ok(found.passes.length > 20, 'axe ran its rules');
  return found.violations.map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
}

const look = (name) => async ({ page, world }) => {
  await page.emulateMedia({ colorScheme: LOOKS[name].colorScheme });
  await page.setViewportSize(LOOKS[name].size);
  assert.deepEqual(await faults(page), [], 'the example');
  await page.screenshot({ path: `${world.shots}/opened-${name}.png` });
  await page.click('#clear');
  await until(page, () => document.getElementById('verdict').dataset.state === 'unchecked');
  assert.deepEqual(await faults(page), [], 'the empty page');
  await page.screenshot({ path: `${world.shots}/empty-${name}.png` });
  await filled(page, world);
  assert.deepEqual(await faults(page), [], 'the filled page');
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width[0] <= width[1], `it scrolls sideways: ${width}`);
  await page.screenshot({ path: `${world.shots}/filled-${name}.png`, fullPage: true });
  for (const part of ['token', 'check', 'trust', 'edit', 'words', 'mint', 'try', 'proof', 'compare', 'helpers']) {
    await page.locator(`#${part}-part`).screenshot({ path: `${world.shots}/part-${part}-${name}.png` });
  }
  await paste(page, world.tokens.good);
  assert.equal((await check(page)).state, 'verified');
  assert.deepEqual(await faults(page), [], 'a verified token');
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: `${world.shots}/verified-${name}.png` });
  await page.selectOption('#key-choice', 'url'); // nothing is fetched without being asked
  assert.equal((await verdict(page)).stale, true);
  assert.deepEqual(await faults(page), [], 'a stale verdict');
  await page.fill('#claims', '{\n  "sub": "ann"\n  "aud": 1\n}');
  await page.locator('#claims-problem').waitFor();
  assert.deepEqual(await faults(page), [], 'broken JSON');
  await page.locator('#edit-part').screenshot({ path: `${world.shots}/broken-${name}.png` });
};

export const scenarios = {
  'axe and width in light': look('light'),
  'axe and width in dark': look('dark'),
  'axe and width on a narrow screen': look('narrow'),
  'axe and width on a narrow dark screen': look('narrow-dark'),
  'axe and width on a very narrow screen': look('very-narrow'),

  'it opens with an example that is verified, and Clear clears all': async ({ page }) => {
    const opened = await verdict(page);
    assert.deepEqual([opened.state, opened.stale], ['verified', false]);
    const values = () => page.evaluate(() => [...document.querySelectorAll('textarea, input:not([type=checkbox], [type=file])')].map((box) => box.value).filter(Boolean));
    assert.ok((await values()).length >= 5);
    await page.fill('#other', 'x.y.z');
    await page.fill('#url', 'http://127.0.0.1:1/');
    await page.fill('#helper-text', 'text');
    await page.click('#mint-go');
    await until(page, () => document.getElementById('mint-message').textContent.startsWith('Signed'));
    await page.click('#clear');
    await until(page, () => document.getElementById('verdict').dataset.state === 'unchecked');
    assert.deepEqual(await values(), []);
    const cleared = await verdict(page);
    assert.deepEqual([cleared.state, cleared.stale, cleared.message], ['unchecked', false, 'Enter issuer, audience and keys, then check.']);
    assert.equal(await page.inputValue('#key-choice'), 'none');
    for (const id of ['report-part', 'compare-box', 'try-result', 'attack-box', 'copied', 'words-box', 'faults', 'warnings', 'authorities']) {
      assert.equal(await page.isVisible(`#${id}`), false, id);
    }
    assert.equal(await page.textContent('#mint-message'), '');
  },

  'the verdict stands directly below the token on a phone, and beside it on a desk': async ({ page, world }) => {
    const box = async (id) => page.locator(id).boundingBox();
    await page.setViewportSize({ width: 390, height: 844 });
    const [token, found] = [await box('#token-part'), await box('#check-part')];
    assert.ok(found.y >= token.y + token.height && found.y < token.y + token.height + 40, JSON.stringify([token, found]));
    assert.ok((await box('#verdict')).y < 844, 'it is in sight without scrolling');
    const wide = await page.evaluate(() => [...document.querySelectorAll('#report tr')].map((card) => card.scrollWidth > card.clientWidth + 1));
    assert.ok(wide.length > 10 && wide.every((is) => !is), 'no card is cut');
    const named = await page.evaluate(() => getComputedStyle(document.querySelector('#report td:nth-child(3)'), '::before').content);
    assert.match(named, /Expected/);
    await page.setViewportSize({ width: 1280, height: 900 });
    const [left, right] = [await box('#token-part'), await box('#verdict')];
    assert.ok(right.x > left.x + left.width && right.y < 300, JSON.stringify([left, right]));
    assert.ok((await box('#report-part')).x > left.x + left.width, 'the report is below the verdict');
    const claims = await page.evaluate(() => { const box = document.getElementById('claims'); return [box.scrollHeight, box.clientHeight, box.clientWidth, box.parentElement.clientWidth]; });
    assert.ok(claims[0] <= claims[1] + 2, `claims have the height of their text: ${claims}`);
    assert.ok(claims[2] > claims[3] - 60, `claims have the width of their column: ${claims}`);
    await page.screenshot({ path: `${world.shots}/first.png` });
  },

  'it checks while somebody types, and shows faults of JSON with their line': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    await trust(page, { issuer: world.issuer, audience: 'orders', keyChoice: 'jwks', keys: world.jwks });
    const becomes = (state) => until(page, (state) => { const box = document.getElementById('verdict'); return box.dataset.state === state && box.dataset.stale === 'false'; }, state);
    await becomes('verified');
    await page.fill('#audience', 'billing');
    await becomes('refused');
    await page.fill('#audience', 'orders');
    await becomes('verified');
    await page.fill('#claims', '{\n  "sub": "ann",\n  "aud": "orders"\n  "x": 1\n}');
    await page.locator('#claims-problem').waitFor();
    assert.match(await page.textContent('#claims-problem'), /^line 4, column \d+: expected .*"x": 1/);
    assert.equal(await page.getAttribute('#claims', 'aria-invalid'), 'true');
    await becomes('refused');
    await page.fill('#claims', '{"sub": "ann"}');
    await page.locator('#claims-problem').waitFor({ state: 'hidden' });
    // Keys that are fetched: only when asked, then also while somebody types.
    await paste(page, world.tokens.discovered);
    await trust(page, { issuer: world.provider, audience: 'orders', keyChoice: 'discovery' });
    await page.waitForTimeout(600);
    assert.equal((await verdict(page)).stale, true, 'nothing was fetched');
    assert.equal((await check(page)).state, 'verified');
    await page.press('#token', 'a');
    await becomes('refused');
  },

  'issuer and audience are taken from the token on a button': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    await page.click('#take');
    assert.equal(await page.inputValue('#issuer'), world.issuer);
    assert.equal(await page.inputValue('#audience'), 'orders');
    assert.match(await page.textContent('#take'), /proves nothing/);
    await trust(page, { keyChoice: 'jwks', keys: world.jwks });
    assert.equal((await check(page)).state, 'verified');
    const read = await page.textContent('#authorities');
    assert.match(read, /scopes *orders:read.*roles.*tenant/);
  },

  'a screenshot for the README': async ({ page, world }) => {
    await page.setViewportSize({ width: 1180, height: 800 });
    await filled(page, world);
    await page.evaluate(() => { document.querySelector('details').open = false; });
    await page.screenshot({ path: `${world.shots}/readme.png` });
  },

  'light and dark differ': async ({ page }) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.notEqual(light, await ground());
  },

  'the parts are coloured and distinguishable without colour': async ({ page, world }) => {
    await paste(page, world.tokens.good);
    const same = await page.evaluate(() => {
      const [text, box] = ['parts', 'token'].map((id) => document.getElementById(id));
      const at = (element) => { const { x, y, width } = element.getBoundingClientRect(); return [x, y, width].map(Math.round).join(); };
      const font = (element) => { const { font, letterSpacing, padding } = getComputedStyle(element); return font + letterSpacing + padding; };
      return { place: at(text) === at(box), font: font(text) === font(box), scrolls: box.scrollHeight > box.clientHeight + 1, colour: getComputedStyle(box).color };
    });
    assert.deepEqual(same, { place: true, font: true, scrolls: false, colour: 'rgba(0, 0, 0, 0)' }, 'the coloured text lies under the box');
    const parts = await page.evaluate(() => [...document.querySelectorAll('#parts span')].map((part) => {
      const style = getComputedStyle(part);
      return { text: part.textContent, title: part.title, colour: style.color, form: style.textDecorationLine + style.fontStyle };
    }));
    assert.equal(parts.map((part) => part.text).join('.'), world.tokens.good);
    assert.deepEqual(parts.map((part) => part.title), ['header', 'claims', 'signature']);
    assert.equal(new Set(parts.map((part) => part.colour)).size, 3);
    assert.equal(new Set(parts.map((part) => part.form)).size, 3);
  },

  'times in words, a time line and a countdown': async ({ page, world }) => {
    await paste(page, world.tokens.timed);
    const marks = await page.evaluate(() => [...document.querySelectorAll('#times li')].map((mark) => ({
      name: mark.querySelector('strong').textContent, words: mark.querySelector('.time').textContent,
      at: parseFloat(mark.querySelector('.dot').style.left),
    })));
    assert.deepEqual(marks.map((mark) => mark.name), ['iat', 'nbf', 'exp', 'now']);
    for (const mark of marks) assert.match(mark.words, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/);
    const position = Object.fromEntries(marks.map((mark) => [mark.name, mark.at]));
    assert.ok(position.iat <= position.nbf && position.nbf < position.exp && position.now < position.exp, JSON.stringify(position));
    assert.match(await page.textContent('#countdown'), /^Expires in /);
    const words = await cells(page, 'words');
    const named = (name) => words.find((cell) => cell[1] === name);
    assert.match(named('exp')[2], /\(\d{4}-.*in /);
    assert.equal(named('iss')[3], 'issuer of the token');
    await paste(page, world.tokens.expired);
    await until(page, () => document.getElementById('countdown').textContent.startsWith('Expired '));
  },

  'tokens are hidden for screen sharing': async ({ page, world }) => {
    await filled(page, world);
    await page.click('[data-copy=curl]');
    await page.locator('#copied').waitFor();
    const security = () => page.evaluate(() => [...document.querySelectorAll('.secret')].map((box) => getComputedStyle(box).webkitTextSecurity));
    assert.ok((await security()).every((value) => value === 'none'));
    await page.click('#hide');
    const hidden = await security();
    assert.ok(hidden.length >= 7 && hidden.every((value) => value === 'disc'), hidden.join());
    assert.equal(await page.getAttribute('#hide', 'aria-pressed'), 'true');
    // Nothing visible outside the hidden boxes shows a part of the token.
    const shown = await page.evaluate(() => {
      const copy = document.body.cloneNode(true);
      copy.querySelectorAll('.secret').forEach((box) => box.remove());
      return copy.textContent + document.title;
    });
    const signature = world.tokens.expired.split('.')[2];
    assert.ok(!shown.includes(signature.slice(0, 20)));
    await page.screenshot({ path: `${world.shots}/hidden.png` });
    await page.click('#hide');
    assert.ok((await security()).every((value) => value === 'none'));
  },

  'everything is usable by keyboard': async ({ page, world }) => {
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    const seen = new Set();
    for (let presses = 0; presses < 80; presses += 1) {
      await page.keyboard.press('Tab');
      const id = await page.evaluate(() => document.activeElement.id || document.activeElement.dataset.copy || document.activeElement.tagName);
      seen.add(id);
      if (id === 'helper-go') break;
    }
    for (const id of ['example', 'clear', 'token', 'header', 'claims', 'issuer', 'audience', 'key-choice', 'check', 'take', 'mint-key', 'mint-algorithm',
      'mint-renew', 'mint-go', 'header', 'curl', 'rust', 'url', 'method', 'try-go', 'attack-go', 'other', 'tool', 'helper-text', 'helper-go']) {
      assert.ok(seen.has(id), `${id} is not reached; seen ${[...seen]}`);
    }
    await paste(page, world.tokens.good);
    await trust(page, { issuer: world.issuer, audience: 'orders', keyChoice: 'jwks', keys: world.jwks });
    await page.focus('#claims');
    await page.keyboard.press('Control+Enter');
    await until(page, () => document.getElementById('verdict').dataset.state === 'verified');
    const ring = await page.evaluate(() => { document.getElementById('check').focus(); return getComputedStyle(document.getElementById('check')).outlineStyle; });
    assert.notEqual(ring, 'none', 'the focus is visible');
  },

  'screen readers get roles and labels': async ({ page, world }) => {
    assert.equal(await page.getByRole('status').first().getAttribute('id'), 'verdict');
    for (const name of ['Token', 'Check', 'Trust', 'Content', 'Claims explained', 'Sign again', 'Send it to a service', 'Compare', 'Helpers']) {
      assert.equal(await page.getByRole('region', { name, exact: true }).count(), 1, name);
    }
    for (const label of ['Header', 'Claims', 'Issuer (iss)', 'Audience (aud)', 'Keys', 'URL on this machine']) {
      assert.equal(await page.getByLabel(label, { exact: true }).count(), 1, label);
    }
    await paste(page, world.tokens.good);
    await trust(page, { issuer: world.issuer, audience: 'orders', keyChoice: 'jwks', keys: world.jwks });
    await check(page);
    assert.equal(await page.getByRole('table', { name: 'Every check, in the verifier’s order' }).getByRole('columnheader').count(), 5);
  },
};

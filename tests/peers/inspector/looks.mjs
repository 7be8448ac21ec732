// Appearance, accessibility and use of the page.
import { createRequire } from 'node:module';
import { assert, cells, check, filled, paste, trust, until, verdict } from './lib.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const LOOKS = {
  light: { colorScheme: 'light', size: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', size: { width: 1280, height: 900 } },
  narrow: { colorScheme: 'light', size: { width: 360, height: 740 } },
  'narrow-dark': { colorScheme: 'dark', size: { width: 360, height: 740 } },
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
  assert.deepEqual(await faults(page), [], 'the empty page');
  await page.screenshot({ path: `${world.shots}/empty-${name}.png` });
  await filled(page, world);
  assert.deepEqual(await faults(page), [], 'the filled page');
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width[0] <= width[1], `it scrolls sideways: ${width}`);
  await page.screenshot({ path: `${world.shots}/filled-${name}.png`, fullPage: true });
  for (const part of ['check', 'report', 'words', 'mint', 'try', 'compare', 'helpers']) {
    await page.locator(`#${part}-part`).screenshot({ path: `${world.shots}/part-${part}-${name}.png` });
  }
  await paste(page, world.tokens.good);
  assert.equal((await check(page)).state, 'verified');
  assert.deepEqual(await faults(page), [], 'a verified token');
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: `${world.shots}/verified-${name}.png` });
  await page.fill('#audience', 'other');
  assert.equal((await verdict(page)).stale, true);
  assert.deepEqual(await faults(page), [], 'a stale verdict');
};

export const scenarios = {
  'axe and width in light': look('light'),
  'axe and width in dark': look('dark'),
  'axe and width on a narrow screen': look('narrow'),
  'axe and width on a narrow dark screen': look('narrow-dark'),

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
    for (const id of ['token', 'header', 'claims', 'issuer', 'audience', 'key-choice', 'check', 'mint-key', 'mint-algorithm',
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
    for (const name of ['Token', 'Check', 'Claims explained', 'Sign again', 'Send it to a service', 'Compare', 'Helpers']) {
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

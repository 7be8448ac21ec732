// Helpers shared by the scenarios.
import assert from 'node:assert/strict';

export { assert };

export const decoded = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());

/** Waits until `probe`, run in the page with `argument`, is true. */
export const until = (page, probe, argument) => page.waitForFunction(probe, argument);

/** Waits until the page shows the last edit. */
export const settled = (page) => until(page, () => document.getElementById('edit-part').getAttribute('aria-busy') === 'false');

/** Fills the token field and waits for the update of the other fields. */
export async function paste(page, token) {
  await page.fill('#token', token);
  await settled(page);
}

/** Sets the verification settings. */
export async function trust(page, fields) {
  for (const [id, value] of Object.entries(fields)) {
    if (id === 'keyChoice') await page.selectOption('#key-choice', value);
    else if (id !== 'keys') {
      await page.evaluate(() => { document.querySelector('details').open = true; });
      await page.fill(`#${id}`, value);
    }
  }
  if (fields.keys !== undefined) await page.fill('#keys', fields.keys);
}

/** Presses Check and reads the verdict. */
export async function check(page) {
  await page.evaluate(() => { document.getElementById('verdict').dataset.state = 'asking'; });
  await page.click('#check');
  return verdict(page);
}

export async function verdict(page) {
  await until(page, () => document.getElementById('verdict').dataset.state !== 'asking');
  return page.evaluate(() => {
    const text = (id) => document.getElementById(id).textContent;
    const box = document.getElementById('verdict');
    return {
      state: box.dataset.state, stale: box.dataset.stale === 'true', title: text('verdict-title'),
      message: text('verdict-message'), remedy: text('verdict-remedy'), origin: text('verdict-origin'),
      warning: text('verdict-warning'), staleWords: !document.getElementById('verdict-stale').hidden,
    };
  });
}

/** The cells of a table's body. */
export const cells = (page, id) => page.evaluate((body) =>
  [...document.getElementById(body).rows].map((row) => [...row.cells].map((cell) => cell.textContent)), id);

/** Everything on the page filled, for looking at it whole. */
export async function filled(page, world) {
  await paste(page, world.tokens.expired);
  await trust(page, { issuer: world.issuer, audience: 'orders', keyChoice: 'jwks', keys: world.jwks });
  await check(page);
  await page.fill('#other', world.tokens.good);
  await page.locator('#compare-box').waitFor();
  await page.fill('#url', world.guarded);
  await page.click('#try-go');
  await page.locator('#try-result').waitFor();
  await page.fill('#proof', world.proof);
  await page.fill('#proof-url', 'https://api.test/elsewhere');
  await page.click('#proof-go');
  await page.locator('#proof-box').waitFor();
  await page.selectOption('#tool', 'to_pem');
  await page.fill('#helper-text', world.jwks);
  await page.click('#helper-go');
  await until(page, () => document.getElementById('helper-out').value.includes('PUBLIC KEY'));
  await page.evaluate(() => window.scrollTo(0, 0));
}

// Drives the plane's page in a real browser (playwright-core over Chromium), a fresh context for each look.
// Reads {"url":…,"locked":…,"token":…,"chromium":…,"shots":…} on standard input; prints one line of JSON:
// [{"name":…,"fault":null|"…"}, …].
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const world = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({
  executablePath: world.chromium,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost'],
});

async function sound(page) {
  await page.evaluate(axe); // by the debugger, so that the page's own policy stays in force
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const faults = found.violations.map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  assert.deepEqual(faults, []);
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width[0] <= width[1], `it scrolls sideways: ${width}`);
}

const rows = (page, table) => page.locator(`#${table} tr`).allTextContents();

const look = (name, colorScheme, size) => async (page) => {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize(size);
  await page.goto(world.url);
  await page.locator('#instances tr').nth(4).waitFor();
  assert.equal(await page.textContent('#status'), '4 of 5 instances agree');
  const groups = await rows(page, 'groups');
  assert.equal(groups.length, 4, `a line for each policy of a service: ${groups}`);
  assert.ok(groups.some((row) => row.startsWith('orders') && row.includes('2 of 3') && row.includes('in force')), `${groups}`);
  assert.ok(groups.some((row) => row.startsWith('orders') && row.includes('1 of 3') && row.includes('other policy')), `${groups}`);
  assert.ok(groups.some((row) => row.startsWith('weak') && row.includes('weakened')), `${groups}`);
  const instances = await rows(page, 'instances');
  const hostile = instances.find((row) => row.includes('<img'));
  assert.ok(hostile?.includes('<img src=x onerror=alert(1)>') && hostile.includes('\\u{202e}one'), `as text: ${hostile}`);
  assert.equal(await page.locator('main img').count(), 0);
  assert.ok(instances.some((row) => row.startsWith('weak') && row.includes('weakened') && row.includes('tokens of any type')), `${instances}`);
  await sound(page);
  await page.screenshot({ path: `${world.shots}/${name}.png`, fullPage: true });
  await page.check('#only');
  assert.equal((await rows(page, 'instances')).length, 2, 'only those with a finding');
};

const scenarios = {
  'wide, light': look('wide-light', 'light', { width: 1280, height: 900 }),
  'wide, dark': look('wide-dark', 'dark', { width: 1280, height: 900 }),
  'narrow, light': look('narrow-light', 'light', { width: 390, height: 844 }),
  'narrow, dark': look('narrow-dark', 'dark', { width: 390, height: 844 }),
  'a plane with a policy asks for a token, and keeps it in memory only': async (page, errors) => {
    await page.goto(world.locked);
    await page.locator('#locked').waitFor();
    await sound(page);
    await page.fill('#token', 'no.good.token');
    await page.click('#unlock button');
    await page.locator('#problem').waitFor();
    await page.fill('#token', world.token);
    await page.click('#unlock button');
    await page.waitForFunction(() => document.getElementById('status').textContent === 'No reports yet');
    assert.equal(await page.locator('#locked').isVisible(), false);
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
    await page.reload();
    await page.locator('#locked').waitFor();
    errors.splice(0, errors.length, ...errors.filter((error) => !/status of 401/.test(error))); // the answers that it provoked
  },
  'the page loads and runs nothing from elsewhere': async (page, errors) => {
    const answer = await page.goto(world.url);
    const policy = answer.headers()['content-security-policy'];
    assert.ok(policy.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'"), policy);
    await page.locator('#instances tr').first().waitFor();
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      try {
        script.textContent = 'window.ran = true';
        document.body.append(script);
      } catch { /* trusted types refuse it */ }
      return window.ran === true;
    });
    assert.equal(ran, false);
    errors.length = 0; // what the browser said about the script
  },
};

const results = [];
for (const [name, scenario] of Object.entries(scenarios)) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(30_000);
  const errors = [];
  const foreign = [];
  context.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') foreign.push(request.url());
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  let fault = null;
  try {
    await scenario(page, errors);
    assert.deepEqual(foreign, [], 'requests left this machine');
    assert.deepEqual(errors, [], 'the page logged errors');
  } catch (error) {
    fault = error.message;
    await page.screenshot({ path: `${world.shots}/FAILED-${name.replaceAll(/[ ,]+/g, '-')}.png`, fullPage: true }).catch(() => {});
  }
  results.push({ name, fault });
  await context.close();
}
await browser.close();
console.log(JSON.stringify(results));

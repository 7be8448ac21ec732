// Drives the inspector page in a real browser (playwright-core over Chromium), a fresh context for each thing on the page.
// Reads {"url":…,"chromium":…,"shots":…, tokens, keys, services} on standard input; prints one line of JSON:
// [{"name":…,"fault":null|"…"}, …].
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { scenarios as looks } from './inspector/looks.mjs';
import { scenarios as verdicts } from './inspector/verdicts.mjs';
import { scenarios as work } from './inspector/work.mjs';
import { scenarios as safety } from './inspector/safety.mjs';

const world = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({
  executablePath: world.chromium,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    // No host name resolves beyond this machine; that nothing tries to is asserted below.
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost'],
});
const results = [];
for (const [name, scenario] of Object.entries({ ...looks, ...verdicts, ...work, ...safety })) {
  if (world.only && !name.includes(world.only)) continue;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(60_000);
  const foreign = [];
  const errors = [];
  context.on('request', (request) => {
    if (!['127.0.0.1', 'localhost'].includes(new URL(request.url()).hostname)) foreign.push(request.url());
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  let fault = null;
  try {
    await page.goto(world.url);
    // The page opens with an example, already verified.
    await page.waitForFunction(() => document.getElementById('verdict').dataset.state === 'verified');
    await scenario({ page, world, context, errors });
    if (foreign.length) throw new Error(`requests left loopback: ${foreign}`);
    const unexpected = errors.filter((error) => !/status of 400|status of 403/.test(error)); // responses that a scenario provokes
    if (unexpected.length) throw new Error(`the page logged errors: ${unexpected}`);
  } catch (error) {
    fault = `${error.message}\n${error.stack?.split('\n').find((line) => line.includes('/inspector/')) ?? ''}`;
    await page.screenshot({ path: `${world.shots}/FAILED-${name.replaceAll(' ', '-')}.png`, fullPage: true }).catch(() => {});
  }
  results.push({ name, fault });
  await context.close();
}
await browser.close();
console.log(JSON.stringify(results));

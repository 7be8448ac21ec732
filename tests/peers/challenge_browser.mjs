// A page in a real browser (playwright-core over Chromium) that calls an API of another origin and reads its challenges.
// Reads {"chromium":…,"page":…,"api":…,"token":…,"ending":…} on standard input; prints what the page saw as one line of JSON.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const world = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({
  executablePath: world.chromium,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage(); // with a profile of its own, that ends with it
await page.goto(world.page);

const seen = await page.evaluate(async ({ api, token, ending }) => {
  const call = async (path, headers = {}) => {
    try {
      const answer = await fetch(`${api}${path}`, { headers });
      const told = Object.fromEntries(answer.headers);
      return { status: answer.status, challenge: told['www-authenticate'] ?? null, body: await answer.text() };
    } catch (error) {
      return { error: error.name };
    }
  };
  const socket = (protocols) => new Promise((done) => {
    const socket = new WebSocket(`${api.replace('http', 'ws')}/socket`, protocols);
    const messages = [];
    socket.onmessage = (event) => messages.push(event.data);
    socket.onclose = (event) => done({ code: event.code, protocol: socket.protocol, messages });
  });
  const bearer = { authorization: `Bearer ${token}` };
  const bare = await call('/orders');
  // What a page does with the challenge: it asks where tokens for this resource come from.
  const address = bare.challenge?.match(/resource_metadata="([^"]+)"/)?.[1];
  const metadata = address ? await (await fetch(address)).json() : null;
  return {
    bare,
    metadata,
    passed: await call('/orders', bearer),
    bad: await call('/orders', { authorization: 'Bearer abc' }),
    denied: await call('/admin', bearer),
    hidden: await call('/not-shared', bearer), // no CORS layer there
    socket: await socket(['chat.v1', `bearer.${token}`]),
    ended: await socket(['chat.v1', `bearer.${ending}`]),
    refused: await socket(['chat.v1']),
  };
}, world);
await browser.close();
console.log(JSON.stringify(seen));

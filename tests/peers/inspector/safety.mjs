// Nothing is stored, sent away or put in the URL; other pages are refused.
import { assert, check, filled, paste, until } from './lib.mjs';

export const scenarios = {
  'nothing is stored or put in the address': async ({ page, world, context }) => {
    const before = page.url();
    assert.equal(before, world.url.split('#')[0], 'the secret is taken out of the address');
    await filled(page, world);
    assert.equal(page.url(), before);
    assert.equal((await context.cookies()).length, 0);
    const stored = await page.evaluate(async () => ({
      local: localStorage.length, session: sessionStorage.length, databases: (await indexedDB.databases()).length,
      caches: (await caches.keys()).length, workers: (await navigator.serviceWorker.getRegistrations()).length,
      history: history.length, title: document.title, name: window.name,
    }));
    assert.deepEqual(stored, { local: 0, session: 0, databases: 0, caches: 0, workers: 0, history: 2, title: 'Countersign inspector', name: '' });
    await page.reload();
    assert.equal(await page.locator('#token').count(), 0, 'nothing is stored, the secret neither');
    assert.equal(await page.locator('#locked').isVisible(), true);
  },

  'without the secret of the run the page can do nothing': async ({ page, world, context }) => {
    const address = world.url.split('#')[0];
    const other = await context.newPage(); // as another user of the machine opens it
    for (const url of [address, `${address}#token-part`, `${address}?run=x`]) {
      await other.goto(url);
      assert.equal(await other.locator('#locked').isVisible(), true, url);
      assert.equal(await other.locator('main, nav').count(), 0, url);
      assert.equal(await other.evaluate(() => document.documentElement.outerHTML.includes('run=')), false, url);
    }
    await other.goto(`${address}#run=guess`);
    await other.fill('#token', world.tokens.good);
    await until(other, () => document.body.textContent.includes('lacks the secret of this run'));
    await other.close();
    await paste(page, world.tokens.good); // the valid counterpart
  },

  'the content security policy blocks every request to elsewhere': async ({ page, world, errors }) => {
    await until(page, () => document.getElementById('jwks-url').textContent !== '');
    const blocked = await page.evaluate(async (elsewhere) => {
      const violations = [];
      document.addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective));
      const tried = [];
      await fetch(elsewhere).then(() => tried.push('fetch'), () => {});
      const add = (tag, attributes) => new Promise((done) => {
        const made = Object.assign(document.createElement(tag), attributes, { onload: () => { tried.push(tag); done(); }, onerror: done });
        document.body.append(made);
        setTimeout(done, 300);
      });
      await add('img', { src: `${elsewhere}/a.png` });
      await add('link', { rel: 'stylesheet', href: `${elsewhere}/a.css` });
      await add('iframe', { src: elsewhere });
      let html = 'set';
      try { document.createElement('div').innerHTML = '<b>x</b>'; } catch { html = 'refused'; }
      const form = Object.assign(document.createElement('form'), { action: elsewhere, method: 'post' });
      document.body.append(form);
      form.submit();
      await new Promise((done) => setTimeout(done, 300));
      return { tried: tried.filter((way) => way !== 'iframe'), violations: [...new Set(violations)].sort(), html };
    }, world.open);
    assert.deepEqual(blocked.tried, []);
    assert.equal(blocked.html, 'refused');
    for (const directive of ['connect-src', 'img-src', 'style-src-elem', 'frame-src', 'form-action']) {
      assert.ok(blocked.violations.includes(directive), `${directive}: ${blocked.violations}`);
    }
    errors.length = 0; // the browser logs what it blocked
  },

  'another page can neither read nor request nor frame': async ({ page, world, errors }) => {
    const address = world.url.split('#')[0];
    await page.goto(world.foreign); // another origin on this machine, without any policy
    const got = await page.evaluate(async (inspector) => {
      const tries = {};
      tries.read = await fetch(inspector).then(() => 'read', () => 'refused');
      tries.blind = await fetch(inspector, { mode: 'no-cors' }).then((answer) => answer.type, () => 'refused');
      tries.ask = await fetch(`${inspector}api/read`, {
        method: 'POST', headers: { 'content-type': 'application/json', 'x-countersign-run': 'guess' }, body: '{"token":"a"}',
      }).then(() => 'answered', () => 'refused');
      const frame = Object.assign(document.createElement('iframe'), { src: inspector });
      document.body.append(frame);
      await new Promise((done) => { frame.onload = done; setTimeout(done, 2000); });
      try { tries.frame = frame.contentDocument === null ? 'closed' : frame.contentDocument.title; } catch { tries.frame = 'closed'; }
      return tries;
    }, address);
    assert.equal(got.read, 'refused');
    assert.ok(['refused', 'opaque'].includes(got.blind));
    assert.equal(got.ask, 'refused');
    assert.notEqual(got.frame, 'Countersign inspector');
    errors.length = 0; // the browser logs what it refused
  },

  'keys are fetched only on request': async ({ page, world }) => {
    const count = async () => (await (await fetch(world.counter)).json()).count;
    const before = await count();
    await paste(page, world.tokens.jku); // a forged token that names a URL for its keys
    await page.selectOption('#key-choice', 'token');
    await check(page);
    assert.equal(await count(), before, 'the URL in the token was not fetched');
  },
};

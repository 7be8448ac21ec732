// Nothing is stored, sent away or put in the URL; other pages are refused.
import { assert, check, filled, paste, until } from './lib.mjs';

export const scenarios = {
  'nothing is stored or put in the address': async ({ page, world, context }) => {
    const before = page.url();
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
    assert.equal(await page.inputValue('#token'), '', 'not stored');
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
    }, world.url);
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

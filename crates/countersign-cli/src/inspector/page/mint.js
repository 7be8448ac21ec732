// Signs the token again with a test key, and copies it in several forms.
import { $, post, showingErrors } from './api.js';
import { check, choose } from './check.js';
import * as pane from './pane.js';

async function mint() {
  $('copied').hidden = true;
  await showingErrors($('mint-message'), async () => {
    await pane.token(); // wait for pending edits
    const minted = await post('mint', {
      header: $('header').value, claims: $('claims').value, key: $('mint-key').value,
      algorithm: $('mint-algorithm').value, pasted: $('mint-pasted').value, renew: $('mint-renew').checked,
    });
    await pane.setToken(minted.token);
    $('mint-message').textContent = `Signed with the key ${minted.kid}.`;
  });
}

async function copy(form) {
  $('copied').hidden = true;
  await showingErrors($('mint-message'), async () => {
    const forms = await post('copy', { token: await pane.token(), url: $('url').value });
    $('copied').textContent = forms[form];
    $('copied').hidden = false;
    try {
      await navigator.clipboard.writeText(forms[form]);
      $('mint-message').textContent = 'Copied.';
    } catch {
      $('mint-message').textContent = 'The browser blocks copying; copy the text below.';
    }
  });
}

/** An example token, signed by the test kit, with the settings that accept it. `isFirst`: only if nothing was entered yet. */
export async function example(isFirst = false) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: location.origin, sub: 'ann', aud: 'orders', client_id: 'web', scope: 'orders:read orders:write', roles: ['clerk'],
    jti: crypto.randomUUID(), iat: now, exp: now + 300,
  };
  await showingErrors($('mint-message'), async () => {
    const request = { header: '{"typ":"at+jwt"}', claims: JSON.stringify(claims), key: 'kit', algorithm: 'ES256' };
    const minted = await post('mint', request);
    if (isFirst && ($('token').value !== '' || $('issuer').value !== '')) return;
    $('trust').reset();
    $('issuer').value = location.origin;
    $('audience').value = 'orders';
    choose('local');
    await pane.setToken(minted.token);
    await check();
  });
}

/** Removes what was signed and copied. */
export function reset() {
  $('mint').reset();
  chosen();
  $('mint-message').textContent = '';
  $('copied').textContent = '';
  $('copied').hidden = true;
}

function chosen() {
  $('mint-pasted-field').hidden = $('mint-key').value !== 'pasted';
  $('mint-algorithm').disabled = $('mint-key').value === 'kit'; // the kit's key is bound to ES256
}

export function start() {
  $('jwks-url').textContent = `${location.origin}/.well-known/jwks.json`;
  $('mint').addEventListener('submit', (event) => { event.preventDefault(); mint(); });
  $('mint-key').addEventListener('change', chosen);
  $('mint-trust').addEventListener('click', () => { choose('local'); check(); });
  $('example').addEventListener('click', () => example());
  for (const button of document.querySelectorAll('[data-copy]')) {
    button.addEventListener('click', () => copy(button.dataset.copy));
  }
}

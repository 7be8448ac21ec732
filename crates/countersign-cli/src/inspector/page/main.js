// Starts each part of the page once. No state survives the page.
import { $, isOpened } from './api.js';
import * as check from './check.js';
import * as compare from './compare.js';
import * as mint from './mint.js';
import * as pane from './pane.js';
import * as proof from './proof.js';
import * as tryService from './try.js';

if (isOpened) {
  for (const part of [pane, check, compare, mint, proof, tryService]) part.start();
  $('clear').addEventListener('click', async () => {
    $('trust').reset();
    $('take-message').textContent = '';
    for (const part of [compare, mint, proof, tryService]) part.reset();
    await pane.setToken('');
    check.reset();
    $('token').focus();
  });
  mint.example(true);
} else {
  $('locked').hidden = false;
  document.querySelector('main').remove();
  document.querySelector('nav').remove();
  // The right address, entered in this tab.
  addEventListener('hashchange', () => { if (location.hash.startsWith('#run=')) location.reload(); });
}

$('hide').addEventListener('click', () => {
  const isHidden = document.documentElement.toggleAttribute('data-hidden');
  $('hide').setAttribute('aria-pressed', String(isHidden));
  $('hide').textContent = isHidden ? 'Show tokens' : 'Hide tokens';
});

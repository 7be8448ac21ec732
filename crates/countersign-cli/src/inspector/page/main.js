// The page's parts, each started once. Nothing is kept when the page is left.
import { $ } from './ask.js';
import * as check from './check.js';
import * as compare from './compare.js';
import * as mint from './mint.js';
import * as pane from './pane.js';
import * as workflow from './workflow.js';

for (const part of [pane, check, compare, mint, workflow]) part.start();

$('hide').addEventListener('click', () => {
  const isHidden = document.documentElement.toggleAttribute('data-hidden');
  $('hide').setAttribute('aria-pressed', String(isHidden));
  $('hide').textContent = isHidden ? 'Show tokens' : 'Hide tokens';
});

// Explains a proof that comes with a token that is bound to a key (DPoP). The command checks; the page displays.
import { $, post, showingErrors } from './api.js';
import { reportRow, trust } from './check.js';
import * as pane from './pane.js';

const MARKS = { good: '✓ Accepted:', bad: '✗ Refused:' };
let asked = 0;

async function explain() {
  const order = ++asked;
  await showingErrors($('proof-message'), async () => {
    $('proof-box').hidden = true;
    const found = await post('proof', {
      token: await pane.token(), proof: $('proof').value, method: $('proof-method').value || 'GET',
      url: $('proof-url').value, nonce: $('proof-nonce').value, now: trust().now,
    });
    if (order !== asked) return; // a later request follows
    $('proof-checks').replaceChildren(...found.checks.map(reportRow));
    $('proof-box').hidden = false;
    const remedy = found.remedy ? ` To fix it: ${found.remedy}.` : '';
    $('proof-message').textContent = `${MARKS[found.state]} ${found.code ? `${found.code}: ` : ''}${found.message}.${remedy}`;
  });
}

/** Forgets what was found for other inputs. */
function outdate() {
  asked += 1;
  if ($('proof-box').hidden) return;
  $('proof-box').hidden = true;
  $('proof-message').textContent = 'Outdated: an input has changed. Explain it again.';
}

/** Removes the proof and what was found. */
export function reset() {
  $('proof-form').reset();
  asked += 1;
  $('proof-message').textContent = '';
  $('proof-box').hidden = true;
}

export function start() {
  $('proof-form').addEventListener('submit', (event) => { event.preventDefault(); explain(); });
  $('proof-form').addEventListener('input', outdate);
  pane.onChange(outdate);
}

// Compares two tokens claim by claim. It only decodes; nothing is verified here.
import { $, post, row, showingErrors } from './api.js';
import * as pane from './pane.js';

const LOOKS = { same: 'good', differs: 'bad', 'left only': 'doubt', 'right only': 'doubt' };
const WORDS = { same: '= same', differs: '≠ differs', 'left only': '← first only', 'right only': '→ second only' };

async function compare() {
  const right = $('other').value;
  $('compare-box').hidden = true;
  if (right.trim() === '') {
    $('compare-message').textContent = '';
    return;
  }
  await showingErrors($('compare-message'), async () => {
    const found = await post('compare', { left: await pane.token(), right });
    $('comparison').replaceChildren(...found.rows.map((line) =>
      row(line.part, line.name, line.left ?? '–', line.right ?? '–', [WORDS[line.state], LOOKS[line.state]])));
    $('compare-box').hidden = found.rows.length === 0;
    $('compare-message').textContent = found.differing === 0 ? 'No differences.' : `${found.differing} of ${found.rows.length} differ.`;
  });
}

/** Removes the second token and what was found. */
export function reset() {
  $('other').value = '';
  $('compare-message').textContent = '';
  $('compare-box').hidden = true;
}

export function start() {
  $('other').addEventListener('input', compare);
  $('token').addEventListener('change', compare);
}

// Compares two tokens claim by claim. It only decodes; nothing is verified here.
import { $, ask, row, saying } from './ask.js';
import * as pane from './pane.js';

const LOOKS = { same: 'good', differs: 'bad', 'left only': 'doubt', 'right only': 'doubt' };
const WORDS = { same: '= same', differs: '≠ differs', 'left only': '← first only', 'right only': '→ second only' };

async function compare() {
  const right = $('other').value;
  $('compare-box').hidden = true;
  if (right.trim() === '') {
    $('compare-said').textContent = '';
    return;
  }
  await saying($('compare-said'), async () => {
    const found = await ask('compare', { left: await pane.token(), right });
    $('comparison').replaceChildren(...found.rows.map((line) =>
      row(line.part, line.name, line.left ?? '–', line.right ?? '–', [WORDS[line.state], LOOKS[line.state]])));
    $('compare-box').hidden = found.rows.length === 0;
    $('compare-said').textContent = found.differing === 0 ? 'No differences.' : `${found.differing} of ${found.rows.length} differ.`;
  });
}

export function start() {
  $('other').addEventListener('input', compare);
  $('token').addEventListener('change', compare);
}

// The verdict: asked for, shown, and stale the moment an input changes.
import { $, ask, row } from './ask.js';
import * as pane from './pane.js';

const MARKS = { verified: '✓', refused: '✗', unchecked: '?', unable: '!' };
const FIELDS = {
  jwks: 'Key set or JWK', pem: 'Public key (PEM)', secret: 'Shared secret', url: 'Address of the key set', policy: 'Policy',
};
let version = 0; // counts changes of inputs
let judged = false;

/** What the verdict is asked by. */
export function trust() {
  return {
    issuer: $('issuer').value, audience: $('audience').value, place: $('place').value, keys: $('keys').value,
    algorithms: $('algorithms').value, typ: $('typ').value, leeway: $('leeway').value, now: $('judge-at').value,
  };
}

export async function check() {
  const token = await pane.token();
  const mine = version;
  let verdict;
  try {
    verdict = await ask('judge', { token, trust: trust() });
  } catch (problem) {
    verdict = { state: 'unable', title: 'Could not check', message: problem.message, origin: 'none', checks: [] };
  }
  show(verdict);
  judged = true;
  if (mine !== version) stale(); // an input changed while the question was under way
}

function show(verdict) {
  const box = $('verdict');
  box.dataset.state = verdict.state;
  box.dataset.stale = 'false';
  $('verdict-stale').hidden = true;
  $('verdict-mark').textContent = MARKS[verdict.state];
  $('verdict-title').textContent = verdict.code ? `${verdict.title} (${verdict.code})` : verdict.title;
  $('verdict-message').textContent = verdict.message;
  $('verdict-mend').textContent = verdict.mend ? `To mend it: ${verdict.mend}.` : '';
  $('verdict-origin').textContent = verdict.origin;
  const brings = verdict.brings?.length ? `The token brings ${verdict.brings.join(', ')} along; it was not used.` : '';
  $('verdict-warning').textContent = verdict.warning ?? (verdict.origin.startsWith('the token') ? '' : brings);
  $('report').replaceChildren(...verdict.checks.map(reportRow));
  $('report-part').hidden = verdict.checks.length === 0;
}

export function reportRow(check) {
  const looks = { passed: ['✓ passed', 'good'], failed: [`✗ ${check.code}`, 'bad'], not_reached: ['– not reached', 'doubt'] };
  const found = check.found_in_words ? `${check.found} (${check.found_in_words})` : check.found;
  const why = check.message && !check.found ? check.message : found;
  return row(check.name, looks[check.outcome], check.expected ?? '', why ?? '', check.mend ?? '');
}

function stale() {
  version += 1;
  if (!judged) return;
  $('verdict').dataset.stale = 'true';
  $('verdict-stale').hidden = false;
}

function chosen() {
  const label = FIELDS[$('place').value];
  $('keys-field').hidden = !label;
  if (label) $('keys-label').textContent = label;
}

export function choose(place) {
  $('place').value = place;
  chosen();
  pane.touched();
}

export function start() {
  pane.onChange(stale);
  $('trust').addEventListener('input', pane.touched);
  $('place').addEventListener('change', () => { chosen(); pane.touched(); });
  $('trust').addEventListener('submit', (event) => { event.preventDefault(); check(); });
  $('keys-file').addEventListener('change', async (event) => {
    const [file] = event.target.files;
    if (file && file.size < 512 * 1024) $('keys').value = await file.text();
    pane.touched();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); check(); }
  });
  chosen();
}

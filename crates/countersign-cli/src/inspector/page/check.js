// The verdict: requested, displayed, and marked as outdated when an input changes.
import { $, post, row } from './api.js';
import * as pane from './pane.js';

const MARKS = { verified: '✓', refused: '✗', unchecked: '?', unable: '!' };
const FIELDS = {
  jwks: 'Key set or JWK', pem: 'Public key (PEM)', secret: 'Shared secret', url: 'URL of the key set', policy: 'Policy',
};
let version = 0; // counts changes of inputs
let checked = false;

/** The verification settings. */
export function trust() {
  return {
    issuer: $('issuer').value, audience: $('audience').value, key_choice: $('key-choice').value, keys: $('keys').value,
    algorithms: $('algorithms').value, typ: $('typ').value, leeway: $('leeway').value, now: $('check-at').value,
  };
}

export async function check() {
  const token = await pane.token();
  const mine = version;
  let verdict;
  try {
    verdict = await post('verify', { token, trust: trust() });
  } catch (problem) {
    verdict = { state: 'unable', title: 'Could not check', message: problem.message, origin: 'none', checks: [] };
  }
  show(verdict);
  checked = true;
  if (mine !== version) stale(); // an input changed during the request
}

function show(verdict) {
  const box = $('verdict');
  box.dataset.state = verdict.state;
  box.dataset.stale = 'false';
  $('verdict-stale').hidden = true;
  $('verdict-mark').textContent = MARKS[verdict.state];
  $('verdict-title').textContent = verdict.code ? `${verdict.title} (${verdict.code})` : verdict.title;
  $('verdict-message').textContent = verdict.message;
  $('verdict-remedy').textContent = verdict.remedy ? `To fix it: ${verdict.remedy}.` : '';
  $('verdict-origin').textContent = verdict.origin;
  const brings = verdict.brings?.length ? `The token contains ${verdict.brings.join(', ')}; it was not used.` : '';
  $('verdict-warning').textContent = verdict.warning ?? (verdict.origin.startsWith('the token') ? '' : brings);
  $('report').replaceChildren(...verdict.checks.map(reportRow));
  $('report-part').hidden = verdict.checks.length === 0;
}

export function reportRow(check) {
  const looks = { passed: ['✓ passed', 'good'], failed: [`✗ ${check.code}`, 'bad'], not_reached: ['– not reached', 'doubt'] };
  const found = check.found_in_words ? `${check.found} (${check.found_in_words})` : check.found;
  const why = check.message && !check.found ? check.message : found;
  return row(check.name, looks[check.outcome], check.expected ?? '', why ?? '', check.remedy ?? '');
}

function stale() {
  version += 1;
  if (!checked) return;
  $('verdict').dataset.stale = 'true';
  $('verdict-stale').hidden = false;
}

function chosen() {
  const label = FIELDS[$('key-choice').value];
  $('keys-field').hidden = !label;
  if (label) $('keys-label').textContent = label;
}

export function choose(keyChoice) {
  $('key-choice').value = keyChoice;
  chosen();
  pane.touched();
}

export function start() {
  pane.onChange(stale);
  $('trust').addEventListener('input', pane.touched);
  $('key-choice').addEventListener('change', () => { chosen(); pane.touched(); });
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

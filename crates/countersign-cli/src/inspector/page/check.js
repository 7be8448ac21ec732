// The verdict: requested, displayed, and marked as outdated when an input changes.
import { $, card, element, fill, post } from './api.js';
import * as pane from './pane.js';

const MARKS = { verified: '✓', refused: '✗', unchecked: '?', unable: '!' };
const FIELDS = {
  jwks: 'Key set or JWK', pem: 'Public key (PEM)', secret: 'Shared secret', url: 'URL of the key set', policy: 'Policy',
};
const LABELS = ['Check', 'Result', 'Expected', 'Found', 'How to fix it'];
const PAUSE = 300; // milliseconds between a change and the check of it
/** Keys for which nothing is fetched. The others are checked without being asked once they were fetched for these settings. */
const LOCAL = ['jwks', 'pem', 'secret', 'local', 'token'];
const UNSET = { state: 'unchecked', title: 'Not checked', message: 'Enter issuer, audience and keys, then check.', origin: 'not set', checks: [] };
let version = 0; // counts changes of inputs
let checked = false;
let asked = 0;
let timer;
let fetchedFor = '';

/** The verification settings. */
export function trust() {
  return {
    issuer: $('issuer').value, audience: $('audience').value, key_choice: $('key-choice').value, keys: $('keys').value,
    algorithms: $('algorithms').value, typ: $('typ').value, leeway: $('leeway').value, now: $('check-at').value,
  };
}

export async function check() {
  const order = ++asked;
  clearTimeout(timer);
  const token = await pane.token();
  clearTimeout(timer); // of the edit that was pending
  const mine = version;
  const settings = trust();
  let verdict;
  try {
    verdict = await post('verify', { token, trust: settings });
    fetchedFor = verdict.state === 'unable' ? '' : JSON.stringify(settings);
  } catch (problem) {
    verdict = { state: 'unable', title: 'Could not check', message: problem.message, origin: 'none', checks: [] };
  }
  if (order !== asked) return; // a later check follows
  show(verdict);
  checked = true;
  if (mine !== version) outdate(); // an input changed during the request
}

/** Checks soon, if that fetches nothing. */
function checkSoon() {
  clearTimeout(timer);
  const isCached = LOCAL.includes($('key-choice').value) || fetchedFor === JSON.stringify(trust());
  if (isCached && $('token').value.trim() !== '') timer = setTimeout(check, PAUSE);
}

/** Forgets the verdict. */
export function reset() {
  clearTimeout(timer);
  version += 1;
  asked += 1; // an answer that is still on its way is not shown
  checked = false;
  fetchedFor = '';
  show(UNSET);
  chosen();
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
  fill($('authorities'), (verdict.authorities ?? []).flatMap(({ name, values }) =>
    [element('dt', {}, name), ...(values.length ? values : ['–']).map((value) => element('dd', {}, value))]));
}

export function reportRow(check) {
  const looks = { passed: ['✓ passed', 'good'], failed: [`✗ ${check.code}`, 'bad'], not_reached: ['– not reached', 'doubt'] };
  const found = check.found_in_words ? `${check.found} (${check.found_in_words})` : check.found;
  const why = check.message && !check.found ? check.message : found;
  return card(LABELS, check.name, looks[check.outcome], check.expected ?? '', why ?? '', check.remedy ?? '');
}

function changed() {
  version += 1;
  if (checked) outdate();
  checkSoon();
}

function outdate() {
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

/** Copies what the token claims. Whoever made it chose these words. */
function take() {
  let claims;
  try {
    claims = JSON.parse($('claims').value);
  } catch {
    claims = null;
  }
  const text = (value) => (typeof value === 'string' ? value : '');
  const audiences = (Array.isArray(claims?.aud) ? claims.aud : [claims?.aud]).map(text).filter(Boolean);
  $('issuer').value = text(claims?.iss);
  $('audience').value = audiences.join(' ');
  const isFound = $('issuer').value !== '' && audiences.length > 0;
  $('take-message').textContent = isFound
    ? 'Taken from the token. The result says only that it fits itself: compare with what your service is to trust.'
    : 'The token has no issuer, or no audience.';
  pane.touched();
}

export function start() {
  show(UNSET);
  pane.onChange(changed);
  $('trust').addEventListener('input', pane.touched);
  $('key-choice').addEventListener('change', () => { chosen(); pane.touched(); });
  $('take').addEventListener('click', take);
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

// Sends the token to a local service, runs the attack list, and calls the small helpers.
import { $, element, post, row, showingErrors } from './api.js';
import { trust } from './check.js';
import * as pane from './pane.js';

const OUTCOMES = { refused: ['✓ refused', 'good'], 'got through': ['✗ got through', 'bad'], 'odd answer': ['! odd answer', 'doubt'], 'not answered': ['! not answered', 'doubt'] };

/** Removes old results, so that none stays beneath a new message. */
function forget() {
  $('try-result').hidden = true;
  $('attack-box').hidden = true;
  $('try-message').textContent = '';
}

async function attempt() {
  forget();
  await showingErrors($('try-message'), async () => {
    const request = { url: $('url').value, method: $('method').value, token: await pane.token(), trust: trust() };
    const { answer, verification, compared } = await post('try', request);
    $('try-message').textContent = compared;
    $('try-status').textContent = `${answer.status} ${answer.reason} in ${answer.milliseconds} ms`;
    const challenges = answer.challenges.map((challenge) => ['www-authenticate', challenge]);
    const more = answer.headers.filter(([name]) => ['content-type', 'retry-after', 'cache-control'].includes(name));
    $('try-headers').replaceChildren(...[...challenges, ...more].flatMap(([name, value]) =>
      [element('dt', {}, name), element('dd', {}, value)]));
    $('try-body').textContent = answer.body;
    $('try-verdict').textContent = `${verification.title}: ${verification.message}`;
    const passed = verification.checks.filter((check) => check.outcome === 'passed');
    const others = verification.checks.filter((check) => check.outcome !== 'passed').map((check) =>
      element('li', {}, `${check.name}: ${check.outcome.replace('_', ' ')}${check.message ? `, ${check.message}` : ''}`));
    const sum = `${passed.length} of ${verification.checks.length} checks passed`;
    $('try-checks').replaceChildren(...(verification.checks.length ? [...others, element('li', {}, sum)] : []));
    $('try-result').hidden = false;
  });
}

async function attack() {
  forget();
  $('attack-go').disabled = true;
  await showingErrors($('try-message'), async () => {
    await pane.token();
    $('try-message').textContent = 'Sending attacks…';
    const found = await post('attack', { url: $('url').value, method: $('method').value, claims: $('claims').value });
    $('try-message').textContent = [found.message, found.skipped].filter(Boolean).join(' ');
    const weight = (line) => ['got through', 'odd answer', 'not answered', 'refused'].indexOf(line.outcome);
    const rows = [...found.rows].sort((one, other) => weight(one) - weight(other));
    $('attacks').replaceChildren(...rows.map((line) =>
      row(line.name, String(line.status ?? '–'), String(line.expected), OUTCOMES[line.outcome])));
    $('attack-box').hidden = rows.length === 0;
  });
  $('attack-go').disabled = false;
}

async function help() {
  $('helper-out').value = '';
  await showingErrors($('helper-message'), async () => {
    const request = { tool: $('tool').value, text: $('helper-text').value, other: $('helper-other').value };
    $('helper-out').value = (await post('helper', request)).text;
  });
}

/** Removes what was sent, and what the helpers have. */
export function reset() {
  forget();
  for (const form of ['try', 'helper']) $(form).reset();
  chosen();
  $('helper-message').textContent = '';
}

function chosen() {
  $('helper-other-field').hidden = $('tool').value !== 'hash_check';
}

export function start() {
  $('try').addEventListener('submit', (event) => { event.preventDefault(); attempt(); });
  $('attack-go').addEventListener('click', attack);
  $('helper').addEventListener('submit', (event) => { event.preventDefault(); help(); });
  $('tool').addEventListener('change', chosen);
  for (const id of ['url', 'method']) $(id).addEventListener('input', forget);
}

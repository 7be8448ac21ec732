// The editor: token, header and claims; an edit of one updates the others.
import { $, element, fill, post, row } from './api.js';

const PAUSE = 60; // milliseconds between a key press and the request
const NAMES = ['header', 'claims', 'signature'];
let signature = '';
let latest = 0;
let timer;
let pending = Promise.resolve();
let waiting = null;
let shown = { times: [], now: 0 };

/** Called when an input of the verdict changes. */
const listeners = [];
export const onChange = (listener) => listeners.push(listener);
export const touched = () => listeners.forEach((listener) => listener());

/** The token, after all pending edits. */
export async function token() {
  if (waiting) {
    clearTimeout(timer);
    const work = waiting;
    waiting = null;
    pending = work();
  }
  await pending;
  return $('token').value;
}

/** Sets the token, as if it had been pasted. */
export async function setToken(text) {
  $('token').value = text;
  paint([]);
  busy(true);
  touched();
  waiting = null;
  clearTimeout(timer);
  pending = readToken();
  await pending;
}

/** Whether the page still shows the token of before the last edit. */
function busy(is) {
  $('edit-part').setAttribute('aria-busy', String(is));
}

function soon(work) {
  busy(true);
  touched();
  clearTimeout(timer);
  waiting = work;
  timer = setTimeout(() => {
    waiting = null;
    pending = work();
  }, PAUSE);
}

async function readToken() {
  const mine = ++latest;
  const read = await post('read', { token: $('token').value }).catch(problem);
  if (!read || mine !== latest) return;
  $('header').value = read.header;
  $('claims').value = read.claims;
  signature = read.signature;
  show(read);
  problems([]);
}

async function writeToken() {
  const mine = ++latest;
  const parts = { header: $('header').value, claims: $('claims').value, signature };
  const written = await post('write', parts).catch(problem);
  if (!written || mine !== latest) return;
  // Read before the token is shown, so that the page never shows a token beside the warnings of another.
  const read = await post('read', { token: written.token }).catch(problem);
  if (mine !== latest) return;
  $('token').value = written.token;
  if (read) show(read);
  problems(written.problems);
}

function problem(error) {
  fill($('faults'), [element('li', {}, error.message)]);
}

/** Faults of the edited JSON, each beside its text. */
function problems(found) {
  for (const part of ['header', 'claims']) {
    const fault = found.find((fault) => fault.part === part);
    $(`${part}-problem`).textContent = fault ? fault.message : '';
    $(`${part}-problem`).hidden = !fault;
    $(part).setAttribute('aria-invalid', String(Boolean(fault)));
  }
}

function show(read) {
  const isEmpty = read.token === '';
  paint(isEmpty ? [] : read.fault_bytes, read.token);
  $('size').textContent = isEmpty ? '' : `${read.bytes} bytes, ${read.parts.length} ${read.parts.length === 1 ? 'part' : 'parts'}. Decoded, not verified.`;
  const faults = isEmpty ? [] : read.faults;
  fill($('faults'), faults.map((fault) => element('li', {}, fault)));
  const warnings = isEmpty ? [] : read.warnings;
  fill($('warnings'), warnings.map((warning) => element('li', {}, warning)));
  $('words').replaceChildren(...read.words.map((claim) => {
    const value = claim.words ? `${claim.value} (${claim.words})` : claim.value;
    return row(claim.part, claim.name, value, claim.meaning ?? '');
  }));
  $('words-box').hidden = read.words.length === 0;
  shown = { times: read.times, now: read.now, since: performance.now() };
  timeLine();
  ['header', 'claims'].forEach((id) => grow($(id)));
  busy(false);
}

/** Colours the text of the token box. `faultBytes` count from the start of the token, which may stand within other text. */
function paint(faultBytes, token) {
  const text = $('token').value;
  const start = token ? text.indexOf(token) : text.search(/\S/);
  const whole = token && start >= 0 ? token : start >= 0 ? text.slice(start).trimEnd() : '';
  let at = 0;
  const parts = whole.split('.').flatMap((part, index) => {
    const span = element('span', { class: `part-${index}`, title: NAMES[index] ?? `part ${index + 1}` });
    let from = 0;
    for (const byte of faultBytes.map((byte) => byte - at).filter((byte) => byte >= 0 && byte < part.length)) {
      span.append(part.slice(from, byte), element('mark', {}, part.slice(byte, byte + 1)));
      from = byte + 1;
    }
    span.append(part.slice(from));
    at += part.length + 1;
    return index === 0 ? [span] : ['.', span];
  });
  const before = text.slice(0, Math.max(start, 0));
  const after = text.slice(before.length + whole.length);
  $('parts').replaceChildren(...[before, ...(whole ? parts : []), after].filter((part) => part !== ''));
  if (text.endsWith('\n')) $('parts').append('\u200b'); // so that the last empty line has its height
}

/** Fits a text box to its text, for browsers without `field-sizing`. */
function grow(box) {
  if (CSS.supports('field-sizing', 'content')) return;
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight + 2}px`;
}

function clockNow() {
  return shown.now + Math.floor((performance.now() - shown.since) / 1000);
}

function timeLine() {
  if (shown.times.length === 0) {
    $('times').replaceChildren();
    $('countdown').textContent = '';
    return;
  }
  const now = clockNow();
  const marks = [...shown.times, { name: 'now', at: now, words: new Date(now * 1000).toISOString().replace('.000', '') }];
  const first = Math.min(...marks.map((mark) => mark.at));
  const span = Math.max(...marks.map((mark) => mark.at)) - first || 1;
  const share = (at) => `${(2 + 96 * (at - first) / span).toFixed(2)}%`;
  const at = (name) => shown.times.find((time) => time.name === name)?.at;
  const begin = at('nbf') ?? at('iat');
  $('times').replaceChildren(...marks.map((mark) => {
    const track = element('span', { class: 'track', 'aria-hidden': 'true' });
    if (begin !== undefined && at('exp') > begin) {
      const life = element('span', { class: 'life' });
      life.style.left = share(begin);
      life.style.width = `calc(${share(at('exp'))} - ${share(begin)})`;
      track.append(life);
    }
    const dot = element('span', { class: 'dot' });
    dot.style.left = share(mark.at);
    track.append(dot);
    const time = element('span', { class: 'time' }, mark.words);
    return element('li', mark.name === 'now' ? { class: 'now' } : {}, element('strong', {}, mark.name), track, time);
  }));
  countDown();
}

/** Updates the time to expiry. */
function countDown() {
  const end = shown.times.find((time) => time.name === 'exp')?.at;
  if (end === undefined) return;
  const left = end - clockNow();
  const spell = (seconds) => {
    const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
    const from = Math.max(parts.findIndex(([size]) => seconds >= size), 0);
    return parts.slice(from, from + 2).map(([size, name]) => {
      const whole = Math.floor(seconds / size);
      seconds %= size;
      return `${whole} ${name}`;
    }).join(' ');
  };
  $('countdown').textContent = left > 0 ? `Expires in ${spell(left)}.` : `Expired ${spell(-left || 1)} ago.`;
}

export function start() {
  $('token').addEventListener('input', () => { paint([]); soon(readToken); });
  for (const id of ['header', 'claims']) {
    $(id).addEventListener('input', () => { grow($(id)); soon(writeToken); });
  }
  setInterval(countDown, 1000);
}

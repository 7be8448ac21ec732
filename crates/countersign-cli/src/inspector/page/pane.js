// The editor: token, header and claims; an edit of one updates the others.
import { $, element, fill, post, row } from './api.js';

const PAUSE = 60; // milliseconds between a key press and the request
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
  touched();
  waiting = null;
  clearTimeout(timer);
  pending = readToken();
  await pending;
}

function soon(work) {
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
}

function problem(error) {
  fill($('faults'), [element('li', {}, error.message)]);
}

function show(read) {
  const isEmpty = read.token === '';
  fill($('parts'), isEmpty ? [] : coloured(read));
  $('size').textContent = isEmpty ? '' : `${read.bytes} bytes, ${read.parts.length} parts. Decoded, not verified.`;
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
}

/** The coloured parts, with undecodable bytes marked. */
function coloured(read) {
  const names = ['header', 'claims', 'signature'];
  return read.parts.flatMap((part, index) => {
    const span = element('span', { class: `part-${index}`, title: names[index] ?? `part ${index + 1}` });
    let from = 0;
    for (const at of read.fault_bytes.map((byte) => byte - part.start).filter((at) => at >= 0 && at < part.text.length)) {
      span.append(part.text.slice(from, at), element('mark', {}, part.text.slice(at, at + 1)));
      from = at + 1;
    }
    span.append(part.text.slice(from));
    return index === 0 ? [span] : ['.', span];
  });
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
  $('token').addEventListener('input', () => soon(readToken));
  $('header').addEventListener('input', () => soon(writeToken));
  $('claims').addEventListener('input', () => soon(writeToken));
  $('clear').addEventListener('click', () => setToken(''));
  setInterval(countDown, 1000);
}

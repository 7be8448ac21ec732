// Shows the reports of a plane. The plane compares them; the page only displays. Text is never parsed as HTML.
const $ = (id) => document.getElementById(id);
const EVERY = 10_000;
let token = '';
let last = null;

const WORDS = {
  lagging: ['lagging', 'bad'], other_policy: ['other policy', 'bad'], refused: ['refused', 'bad'],
  expired: ['bundle expired', 'bad'], no_keys: ['no keys', 'bad'], other_keys: ['other keys', 'bad'],
  degraded_keys: ['old keys', 'doubt'], old_revocations: ['revocations too old', 'bad'],
  silent: ['silent', 'bad'], weakened: ['weakened', 'doubt'],
};

/** Text in which nothing is hidden, and nothing changes the direction of what stands beside it. */
const hidden = /(?![ \n\t])[\p{Cc}\p{Cf}\p{Z}\p{Cs}\p{Co}\p{DI}\p{NChar}\u2800\ufffc\u{13430}-\u{1345f}\u{16fe4}\u{1d159}]/gu;
const visible = (text) => String(text).replace(hidden, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);

function element(name, look, ...children) {
  const made = document.createElement(name);
  if (look) made.className = look;
  made.append(...children.map((child) => (child instanceof Node ? child : visible(child))));
  return made;
}

function row(labels, cells) {
  const made = element('tr', '');
  made.setAttribute('role', 'row');
  cells.forEach((cell, index) => {
    const column = element('td', '', ...[cell].flat());
    column.setAttribute('role', 'cell');
    column.dataset.label = labels[index];
    made.append(column);
  });
  return made;
}

const mark = (text, look) => element('span', `mark ${look}`, text);
const short = (fingerprint) => element('code', '', fingerprint.slice(0, 12));

/** A time in its largest unit. */
function span(seconds) {
  for (const [size, name] of [[86_400, 'd'], [3600, 'h'], [60, 'min']]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`;
  }
  return `${Math.max(0, seconds)} s`;
}

/** Returns whether an instance is of this group, with this policy. */
const has = (group, policy) => ({ issuer, report }) => (
  issuer === group.issuer && (report.bundle?.fleet ?? report.service) === group.name
  && report.fingerprint === policy.fingerprint && (report.bundle?.revision ?? null) === policy.revision
);

/** A line for each revision of a fleet. */
function revisions(group) {
  const { expected } = group;
  return group.in_force.map((one) => {
    const isExpected = one.revision === expected.revision && one.fingerprint === expected.fingerprint;
    const isOlder = one.revision !== null && expected.revision !== null && one.revision < expected.revision;
    const state = [isExpected ? mark('in force', 'good') : mark(isOlder ? 'lagging' : 'other policy', 'bad')];
    const of = last.instances.filter(has(group, one));
    for (const finding of ['refused', 'weakened']) {
      const count = of.filter(({ findings }) => findings.includes(finding)).length;
      if (count > 0) state.push(mark(finding === 'refused' ? `${count} refused the next` : 'weakened', WORDS[finding][1]));
    }
    const name = group.issuer ? [group.name, element('small', '', group.issuer)] : group.name;
    return row(['Fleet', 'Revision', 'Fingerprint', 'Instances', 'State'],
      [name, one.revision ?? 'none', short(one.fingerprint), `${one.instances} of ${group.instances}`, state]);
  });
}

function marks({ findings, report }) {
  const found = findings.map((finding) => {
    const [text, look] = WORDS[finding] ?? [finding, 'bad'];
    return mark(text, look);
  });
  const { refusal } = report;
  if (refusal) found.push(element('small', '', `${refusal.code ? '' : `${refusal.field}: `}${refusal.problem}`));
  if (report.weakenings.length) found.push(element('small', '', report.weakenings.join('; ')));
  return found.length ? found : mark('in force', 'good');
}

function keys(issuers) {
  const states = { ready: 'good', degraded: 'doubt', not_ready: 'bad' };
  return issuers.flatMap(({ issuer, keys: state, age_seconds: age }) => [
    mark(state.replace('_', ' '), states[state] ?? 'bad'),
    element('small', '', age === undefined ? issuer : `${issuer}, ${span(age)} old`),
  ]);
}

function instance(one, now) {
  const { report } = one;
  const seen = one.received_at === undefined ? [] : [element('small', '', `reported ${span(now - one.received_at)} ago`)];
  return row(['Service', 'Instance', 'Version', 'Revision', 'In force for', 'Keys', 'Revocations', 'State'], [
    one.issuer ? [report.service, element('small', '', one.issuer)] : report.service,
    [report.instance, ...seen],
    [report.version ?? 'none', element('small', '', `library ${report.library}`)],
    report.bundle ? String(report.bundle.revision) : short(report.fingerprint),
    span(now - (report.bundle?.since ?? report.since)),
    keys(report.issuers),
    report.revocations ? `${span(report.revocations.age_seconds)} old` : 'none',
    marks(one),
  ]);
}

function show() {
  const { now, groups, instances } = last;
  $('groups').replaceChildren(...groups.flatMap(revisions));
  const shown = $('only').checked ? instances.filter(({ findings }) => findings.length > 0) : instances;
  $('instances').replaceChildren(...shown.map((one) => instance(one, now)));
  const agreeing = groups.reduce((sum, group) => sum + group.agreeing, 0);
  const agree = agreeing === instances.length;
  $('status').className = instances.length === 0 ? '' : agree ? 'good' : 'bad';
  $('status').textContent = instances.length === 0 ? 'No reports yet' : `${agreeing} of ${instances.length} instances agree`;
}

async function load() {
  let response;
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    response = await fetch('/v1/fleet', { headers, credentials: 'omit', redirect: 'error' });
  } catch {
    $('status').className = 'bad';
    $('status').textContent = 'The plane does not answer';
    return;
  }
  const isLocked = response.status === 401 || response.status === 403;
  if (isLocked && token) $('problem').textContent = `The plane answered ${response.status} to this token.`;
  $('problem').hidden = !(isLocked && token);
  $('locked').hidden = !isLocked;
  if (!response.ok) {
    $('status').className = '';
    $('status').textContent = isLocked ? 'A token is needed' : `The plane answered ${response.status}`;
    return;
  }
  last = await response.json();
  show();
}

$('unlock').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  $('token').value = '';
  load();
});
$('refresh').addEventListener('click', load);
$('only').addEventListener('change', () => { if (last) show(); });
setInterval(() => { if (!document.hidden && $('locked').hidden) load(); }, EVERY);
load();

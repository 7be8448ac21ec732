// Requests to the command that serves this page. The command verifies; the page only edits and displays.
// The secret of the run comes in the fragment of the address that the command opened. It is kept only in memory.
const mark = '#run=';
const run = location.hash.startsWith(mark) ? location.hash.slice(mark.length) : '';
if (run) history.replaceState(null, '', location.pathname);

/** Whether the page was opened with the secret of a run. */
export const isOpened = run !== '';

export const $ = (id) => document.getElementById(id);

/** Sends a request; throws an Error that names the fault. */
export async function post(endpoint, request) {
  let response;
  try {
    response = await fetch(`/api/${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-countersign-run': run },
      body: JSON.stringify(request),
      credentials: 'omit',
      redirect: 'error',
    });
  } catch {
    throw new Error('the command that serves this page has ended');
  }
  const text = await response.text();
  let reply;
  try {
    reply = JSON.parse(text, (name, value) => (typeof value === 'string' && name !== 'token' ? visible(value) : value));
  } catch {
    throw new Error(text.trim() || `status ${response.status}`);
  }
  if (!response.ok) throw new Error(reply.error ?? `status ${response.status}`);
  return reply;
}

/** Text in which nothing is hidden, and nothing changes the direction or the colour of what stands beside it. */
const hidden = /(?![ \n\t])[\p{Cc}\p{Cf}\p{Z}\p{Cs}\p{Co}\p{DI}\p{NChar}\u2800\ufffc\u{13430}-\u{1345f}\u{16fe4}\u{1d159}]/gu;
export const visible = (text) => text.replace(hidden, (letter) => `\\u{${letter.codePointAt(0).toString(16)}}`);

/** An element with attributes and children; text is never parsed as HTML. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A table row: cells are texts, or a pair of a text and a class. */
export function row(...cells) {
  const made = document.createElement('tr');
  for (const cell of cells) {
    const [text, look] = Array.isArray(cell) ? cell : [cell, ''];
    made.append(element('td', look ? { class: look } : {}, text ?? ''));
  }
  return made;
}

export function fill(list, items) {
  list.replaceChildren(...items);
  list.hidden = items.length === 0;
}

/** A row of a table that becomes a list of cards on a narrow screen, where each cell names its column. */
export function card(labels, ...cells) {
  const made = row(...cells);
  made.setAttribute('role', 'row');
  [...made.cells].forEach((cell, index) => { cell.setAttribute('role', 'cell'); cell.dataset.label = labels[index]; });
  return made;
}

/** Runs `work` and shows what it throws in `output`. */
export async function showingErrors(output, work) {
  output.textContent = '';
  try {
    await work();
  } catch (problem) {
    output.textContent = problem.message;
  }
}

// Asking the command that serves this page. Judging is its part; the page edits and shows.
const run = document.querySelector('meta[name=run]').content;

export const $ = (id) => document.getElementById(id);

/** Posts a question; throws what is to be mended as an Error. */
export async function ask(what, question) {
  let answer;
  try {
    answer = await fetch(`/api/${what}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-countersign-run': run },
      body: JSON.stringify(question),
      credentials: 'omit',
      redirect: 'error',
    });
  } catch {
    throw new Error('the command that serves this page has ended');
  }
  const text = await answer.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `status ${answer.status}`);
  }
  if (!answer.ok) throw new Error(said.error ?? `status ${answer.status}`);
  return said;
}

/** An element with attributes and children; text is only ever text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A table row: cells are texts, or a pair of a text and a class. The first cell heads the row. */
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

/** Runs `work` and puts what it throws where the reader looks. */
export async function saying(place, work) {
  place.textContent = '';
  try {
    await work();
  } catch (problem) {
    place.textContent = problem.message;
  }
}

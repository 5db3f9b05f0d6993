// Trying a route: a form with what it takes, and below it what it answers. What one answer tells of rooms, users and tokens
// is filled in for the next.

import { el } from '../chat/dom.js';
import { resolve } from './shape.js';

/** What answers said, by the names of the fields that want it. */
const known = {};

const forms = [];

/** A form for a route. */
export function tryIt(api, { path, method, operationId, body }) {
  const id = `${operationId}-body`;
  const properties = body && resolve(api, body).properties;
  const editor = properties && el('textarea', { id, rows: String(Object.keys(properties).length + 2), spellcheck: 'false' });
  const fill = () => editor && (editor.value = JSON.stringify(exampleOf(api, properties), null, 2));
  const output = el('output', { 'aria-label': `Answer of ${method} ${path}` });
  fill();
  forms.push(fill);
  return el(
    'form',
    { onsubmit: (event) => (event.preventDefault(), send()) },
    editor && el('label', { for: id }, 'Try it with this body'),
    editor,
    el('button', { type: 'submit', 'aria-label': `Send ${method} ${path}` }, 'Send'),
    output,
  );

  async function send() {
    try {
      const headers = editor && { 'content-type': 'application/json' };
      const answer = await fetch(`.${path}`, { method, headers, body: editor?.value });
      const text = await answer.text();
      output.replaceChildren(el('strong', {}, String(answer.status)), el('pre', { tabindex: '0' }, pretty(text)));
      learn(text);
    } catch (error) {
      output.replaceChildren(el('strong', {}, 'No answer'), el('pre', { tabindex: '0' }, error.message));
    }
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A body with what is known, and examples for the rest. */
function exampleOf(api, properties) {
  const fields = Object.entries(properties).map(([name, field]) => {
    const { examples, anyOf } = resolve(api, field);
    return [name, known[name] ?? examples?.[0] ?? anyOf?.[0].examples?.[0] ?? ''];
  });
  return Object.fromEntries(fields);
}

function learn(text) {
  try {
    const { data } = JSON.parse(text);
    for (const name of ['room_id', 'room_code', 'user_id', 'token', 'message_id']) {
      if (data?.[name] !== undefined) known[name] = data[name];
    }
    if (data) forms.forEach((fill) => fill());
  } catch {
    // Nothing to learn from what is no JSON.
  }
}

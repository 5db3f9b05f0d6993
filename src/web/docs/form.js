// Forms to try routes. The rooms, users and tokens of each response are filled into the bodies of all forms.

import { el } from '../chat/dom.js';
import { resolve } from './shape.js';

/** Values from responses, by field name. */
const knownValues = {};

const fillFunctions = [];

/** Creates the form of a route. */
export function tryForm(api, { path, method, operationId, body }) {
  const id = `${operationId}-body`;
  const properties = body && resolve(api, body).properties;
  const editor = properties && el('textarea', { id, rows: String(Object.keys(properties).length + 2), spellcheck: 'false' });
  const fill = () => editor && (editor.value = JSON.stringify(exampleOf(api, properties), null, 2));
  const output = el('output', { 'aria-label': `Response of ${method} ${path}` });
  fill();
  fillFunctions.push(fill);
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
      const response = await fetch(`.${path}`, { method, headers, body: editor?.value });
      const text = await response.text();
      output.replaceChildren(el('strong', {}, String(response.status)), el('pre', { tabindex: '0' }, formatJson(text)));
      collectValues(text);
    } catch (error) {
      output.replaceChildren(el('strong', {}, 'No response'), el('pre', { tabindex: '0' }, error.message));
    }
  }
}

function formatJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Creates a body from known values, and examples for the rest. */
function exampleOf(api, properties) {
  const fields = Object.entries(properties).map(([name, field]) => {
    const { examples, anyOf } = resolve(api, field);
    return [name, knownValues[name] ?? examples?.[0] ?? anyOf?.[0].examples?.[0] ?? ''];
  });
  return Object.fromEntries(fields);
}

function collectValues(text) {
  try {
    const { data } = JSON.parse(text);
    for (const name of ['room_id', 'room_code', 'user_id', 'token', 'message_id']) {
      if (data?.[name] !== undefined) knownValues[name] = data[name];
    }
    if (data) fillFunctions.forEach((fill) => fill());
  } catch {
    // The response is not JSON.
  }
}

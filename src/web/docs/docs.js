// Draws the OpenAPI document of this server: what it says of itself, and every route with what it takes and answers.

import { el } from '../chat/dom.js';
import { tryIt } from './form.js';
import { shapeOf, words } from './shape.js';

const page = document.getElementById('docs');
try {
  const answer = await fetch('./openapi.json');
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  page.replaceChildren(...draw(await answer.json()));
} catch (error) {
  page.replaceChildren(el('h1', {}, 'The legacy routes'), el('p', { role: 'alert' }, `They cannot be shown: ${error.message}`));
}

function draw(api) {
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return [
    el('h1', {}, api.info.title),
    ...api.info.description.split('\n\n').map((text) => el('p', {}, ...words(text))),
    el('p', {}, 'For programs: ', el('a', { href: './openapi.json' }, 'openapi.json'), '. Version ', api.info.version, '.'),
    ...api.tags.flatMap(({ name }) => [
      el('h2', {}, name),
      ...routes.filter(({ operation }) => operation.tags.includes(name)).map((route) => drawRoute(api, route)),
    ]),
  ];
}

function drawRoute(api, { path, method, operation }) {
  const { summary, description, operationId, requestBody, responses } = operation;
  const body = requestBody?.content['application/json'].schema;
  return el(
    'section',
    { id: operationId, 'aria-labelledby': `${operationId}-name` },
    el('h3', { id: `${operationId}-name` }, el('code', {}, `${method} ${path}`)),
    el('p', {}, ...words(summary)),
    description ? el('p', {}, ...words(description)) : null,
    body ? el('h4', {}, 'Takes') : null,
    body ? shapeOf(api, body) : null,
    el('h4', {}, 'Answers'),
    el('ul', { class: 'answers' }, ...Object.entries(responses).map(([status, answer]) => drawAnswer(api, status, answer))),
    tryIt(api, { path, method, operationId, body }),
  );
}

function drawAnswer(api, status, { description, content }) {
  const schema = content?.['application/json']?.schema;
  return el(
    'li',
    {},
    el('details', {}, el('summary', {}, el('strong', {}, status), ' ', ...words(description)), schema ? shapeOf(api, schema) : null),
  );
}

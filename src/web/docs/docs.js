// Renders the OpenAPI document of this server: every route with its request body, its responses and a form to try it.

import { el } from '../chat/dom.js';
import { tryForm } from './form.js';
import { renderSchema, renderText } from './shape.js';

const page = document.getElementById('docs');
try {
  const response = await fetch('./openapi.json');
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  page.replaceChildren(...render(await response.json()));
} catch (error) {
  page.replaceChildren(el('h1', {}, 'The legacy routes'), el('p', { role: 'alert' }, `The routes cannot be shown: ${error.message}`));
}

function render(api) {
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return [
    el('h1', {}, api.info.title),
    ...api.info.description.split('\n\n').map((text) => el('p', {}, ...renderText(text))),
    el('p', {}, 'For programs: ', el('a', { href: './openapi.json' }, 'openapi.json'), '. Version ', api.info.version, '.'),
    el('nav', { 'aria-label': 'Routes' }, el('ul', {}, ...routes.map(linkTo))),
    ...api.tags.flatMap(({ name }) => [
      el('h2', {}, name),
      ...routes.filter(({ operation }) => operation.tags.includes(name)).map((route) => renderRoute(api, route)),
    ]),
  ];
}

function linkTo({ path, method, operation: { operationId, summary } }) {
  return el('li', {}, el('a', { href: `#${operationId}` }, el('code', {}, `${method} ${path}`)), ' ', ...renderText(summary));
}

function renderRoute(api, { path, method, operation }) {
  const { summary, description, operationId, requestBody, responses } = operation;
  const body = requestBody?.content['application/json'].schema;
  return el(
    'section',
    { id: operationId, 'aria-labelledby': `${operationId}-name` },
    el('h3', { id: `${operationId}-name` }, el('code', {}, `${method} ${path}`)),
    el('p', {}, ...renderText(summary)),
    description ? el('p', {}, ...renderText(description)) : null,
    body ? el('h4', {}, 'Request body') : null,
    body ? renderSchema(api, body) : null,
    el('h4', {}, 'Responses'),
    el('ul', { class: 'responses' }, ...Object.entries(responses).map(([status, response]) => renderResponse(api, status, response))),
    tryForm(api, { path, method, operationId, body }),
  );
}

function renderResponse(api, status, { description, content }) {
  const schema = content?.['application/json']?.schema;
  return el(
    'li',
    {},
    el('details', {}, el('summary', {}, el('strong', {}, status), ' ', ...renderText(description)), schema ? renderSchema(api, schema) : null),
  );
}

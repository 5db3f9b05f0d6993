// Rendering of schemas: the fields of an object with their types and descriptions.

import { el } from '../chat/dom.js';

/** Resolves references, and merges the parts of `allOf`. */
export function resolve(api, schema) {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1);
    return { ...resolve(api, api.components.schemas[name]), ...(schema.description && { description: schema.description }) };
  }
  if (!schema.allOf) return schema;
  const parts = schema.allOf.map((part) => resolve(api, part));
  return {
    ...schema,
    type: 'object',
    required: parts.flatMap(({ required }) => required ?? []),
    properties: Object.assign({}, ...parts.map(({ properties }) => properties)),
  };
}

/** Renders a schema. */
export function renderSchema(api, schema) {
  const { type, properties, required = [], items, additionalProperties, description } = resolve(api, schema);
  if (properties) {
    const fields = Object.entries(properties).flatMap(([name, field]) => renderField(api, name, field, required.includes(name)));
    return el('dl', {}, ...fields);
  }
  const inner = type === 'array' ? items : additionalProperties;
  const resolved = inner && resolve(api, inner);
  return resolved?.properties ? renderSchema(api, resolved) : el('p', {}, ...renderText(description ?? typeOf(api, schema)));
}

function renderField(api, name, field, isRequired) {
  const resolved = resolve(api, field);
  const inner = resolved.type === 'array' && resolved.items ? resolve(api, resolved.items) : resolved;
  return [
    el('dt', {}, el('code', {}, name), ' ', el('span', { class: 'type' }, typeOf(api, field), isRequired ? '' : ', optional')),
    el(
      'dd',
      {},
      ...renderText(resolved.description ?? ''),
      inner.properties ? renderSchema(api, inner) : null,
    ),
  ];
}

/** Returns the name of a type, with its limits. */
function typeOf(api, schema) {
  const { type, anyOf, items, enum: values, minLength, maxLength } = resolve(api, schema);
  if (values) return values.map((value) => `"${value}"`).join(' or ');
  if (anyOf) return [...new Set(anyOf.map((one) => typeOf(api, one)))].join(' or ');
  if (type === 'array' && items) return `list of ${typeOf(api, items)}`;
  const name = [type].flat().join(' or ');
  return maxLength ? `${name} of ${minLength ?? 0} to ${maxLength.toLocaleString('en')} characters` : name;
}

/** Renders text: parts between backticks are code. */
export function renderText(text) {
  return text.split('`').map((part, i) => (i % 2 ? el('code', {}, part) : part));
}

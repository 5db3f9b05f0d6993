// Links to rooms: `#id/code`. Browsers do not send the fragment, so the code is in no request for the page.

/** 32 hex digits that are not the end of a longer word. */
const ID = '(?:^|[^0-9a-z])([0-9a-f]{32})';

/** A code. Servers generate codes of 4 to 32 decimal digits. */
const CODE = '([0-9]{4,32})(?![0-9])';

const SEPARATOR = '[^\\p{L}\\p{N}]';

/** Patterns of an id with its code, the most reliable first. */
const ID_WITH_CODE = [
  // In a link, whatever follows it.
  `${ID}/${CODE}`,
  // After spaces and punctuation, or after a word for code, as in "ID, code: CODE".
  `${ID}${SEPARATOR}{1,12}(?:(?:code|pin|password|passcode)${SEPARATOR}{0,6})?${CODE}(?![\\p{L}-])`,
  // Directly after the id: single-line fields drop the line break between them.
  `${ID}${CODE}(?![a-z])`,
].map((pattern) => new RegExp(pattern, 'iu'));

const LABELLED_CODE = new RegExp(`code${SEPARATOR}{1,6}${CODE}`, 'iu');

/** An id without a full code. In a link, a code of any length counts. */
const ID_WITHOUT_CODE = new RegExp(`${ID}(?:/([0-9]{1,32})(?![0-9])|(?![0-9a-z]))`, 'iu');

/** Whitespace and quote marks like `>`, which mail programs insert when they wrap lines. */
const LINE_WRAPS = /\s+(?:[>|]\s*)*/gu;

/** Returns the room in the address of this page: `{ id, code }`, with code undefined if it is missing, or null. */
export const roomInAddress = () => parseRoom(location.hash);

/** Returns the link to a room, without anything that was added to the address of this page. */
export const linkTo = ({ id, code }) => `${location.origin}${location.pathname}${fragmentOf({ id, code })}`;

export const fragmentOf = ({ id, code }) => `#${id}/${encodeURIComponent(code)}`;

/** Finds a room in pasted or typed text: a link, or an id with or without a code, with any text around it. */
export function parseRoom(text) {
  const plain = normalize(text);
  const unwrapped = plain.replace(LINE_WRAPS, '');
  return findWithCode(plain) ?? findWithCode(unwrapped) ?? findWithoutCode(plain) ?? findWithoutCode(unwrapped);
}

/** Finds a code in pasted or typed text, without separators around and between its digits. */
export function parseCode(text) {
  const plain = normalize(text);
  const joined = plain.replace(/[^\p{L}\p{N}]/gu, '');
  return /^[0-9]*$/.test(joined) ? joined : (new RegExp(CODE).exec(plain)?.[1] ?? plain.trim());
}

function findWithCode(text) {
  for (const pattern of ID_WITH_CODE) {
    const [, id, code] = pattern.exec(text) ?? [];
    if (id) return { id: id.toLowerCase(), code };
  }
  return null;
}

function findWithoutCode(text) {
  const [, id, code] = ID_WITHOUT_CODE.exec(text) ?? [];
  return id ? { id: id.toLowerCase(), code: code ?? LABELLED_CODE.exec(text)?.[1] } : null;
}

/** Removes percent-encoding, soft line breaks and invisible characters, and converts digits and signs to their common form. */
function normalize(text) {
  let plain = text;
  // Some programs encode a text twice.
  for (let times = 0; times < 3 && plain.includes('%'); times += 1) plain = plain.replace(/(?:%[0-9a-f]{2})+/gi, decode);
  return plain.replace(/=\r?\n/g, '').replace(/\p{Cf}/gu, '').normalize('NFKC');
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%[0-7][0-9a-f]/gi, decodeURIComponent);
  }
}

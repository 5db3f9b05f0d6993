// A room in an address: `#id/code`. The fragment stays in the browser, so the code is in no request for the page.

/** 32 hex digits, with nothing before them that they could be the end of. */
const ID = '(?:^|[^0-9a-z])([0-9a-f]{32})';

/** What a code is where nothing else says so. A server makes codes of 4 to 32 decimal digits. */
const CODE = '([0-9]{4,32})(?![0-9])';

const BLANK = '[^\\p{L}\\p{N}]';

/** Where a code is beside an id, the surest first. */
const ROOMS = [
  // As in a link, whatever follows it.
  `${ID}/${CODE}`,
  // After nothing but blanks and punctuation, or after what people call a code, as in "ID, code: CODE".
  `${ID}${BLANK}{1,12}(?:(?:code|pin|password|passcode)${BLANK}{0,6})?${CODE}(?![\\p{L}-])`,
  // At once: a field of one line drops the line break that was between the two.
  `${ID}${CODE}(?![a-z])`,
].map((pattern) => new RegExp(pattern, 'iu'));

const LABELLED_CODE = new RegExp(`code${BLANK}{1,6}${CODE}`, 'iu');

/** An id without what counts as a code; in a link even the shortest counts. */
const ID_ALONE = new RegExp(`${ID}(?:/([0-9]{1,32})(?![0-9])|(?![0-9a-z]))`, 'iu');

/** Where a mail program has broken a link: the line break, with marks of quotation. */
const WRAPS = /\s+(?:[>|]\s*)*/gu;

/** The room that the address of this page names: `{ id, code }`, the code undefined if it is missing; or null. */
export const roomInAddress = () => readRoom(location.hash);

/** The address of a room, to share: without what was added to the address of this page. */
export const linkTo = ({ id, code }) => `${location.origin}${location.pathname}${fragmentOf({ id, code })}`;

export const fragmentOf = ({ id, code }) => `#${id}/${encodeURIComponent(code)}`;

/** Finds a room in what somebody typed or pasted: a link, or an id with or without a code, and whatever is around them. */
export function readRoom(text) {
  const plain = plainly(text);
  const whole = plain.replace(WRAPS, '');
  return withCode(plain) ?? withCode(whole) ?? alone(plain) ?? alone(whole);
}

/** A code as somebody typed or pasted it, without what is around and between its digits. */
export function readCode(text) {
  const plain = plainly(text);
  const joined = plain.replace(/[^\p{L}\p{N}]/gu, '');
  return /^[0-9]*$/.test(joined) ? joined : (new RegExp(CODE).exec(plain)?.[1] ?? plain.trim());
}

function withCode(text) {
  for (const pattern of ROOMS) {
    const [, id, code] = pattern.exec(text) ?? [];
    if (id) return { id: id.toLowerCase(), code };
  }
  return null;
}

function alone(text) {
  const [, id, code] = ID_ALONE.exec(text) ?? [];
  return id ? { id: id.toLowerCase(), code: code ?? LABELLED_CODE.exec(text)?.[1] } : null;
}

/** The text as somebody would type it: nothing in percents, nothing invisible, digits and signs in their common form. */
function plainly(text) {
  let plain = text;
  // Some programs encode what was encoded already.
  for (let times = 0; times < 3 && plain.includes('%'); times += 1) plain = plain.replace(/(?:%[0-9a-f]{2})+/gi, decoded);
  return plain.replace(/=\r?\n/g, '').replace(/\p{Cf}/gu, '').normalize('NFKC');
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%[0-7][0-9a-f]/gi, decodeURIComponent);
  }
}

// The server's rules for texts and their length. The server counts code points, so an emoji outside the basic plane is one
// character, while a JavaScript string has two units for it.

/** Returns the maximum length of a `text` or a `display-name`, which the server has put into the page. */
export const limitOf = (what) => Number(document.querySelector(`meta[name="${what}-max-length"]`)?.content) || Infinity;

/**
 * A visible character, by the rule of the server: not a space, a control or format character, or an empty glyph. Format
 * characters that enclose a number are visible.
 */
const VISIBLE =
  /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800\u{13441}\u{13442}\u{16fe4}\u{1d159}]|[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}]/u;

/**
 * Converts a text to what the server accepts: without control characters except newline and tab, without unpaired surrogates,
 * trimmed. The result is empty if nothing in it is visible.
 */
export function clean(text) {
  const cleaned = text.replace(/\r\n?/g, '\n').replace(/[^\P{Cc}\n\t]/gu, '').replace(/\p{Cs}/gu, '\ufffd').trim();
  return VISIBLE.test(cleaned) ? cleaned : '';
}

/** Cleans a name in the same way. A name has only one line. */
export const cleanName = (text) => clean(text.replace(/[\r\n\t]+/g, ' '));

/** Returns by how many characters a text is too long; 0 if it fits. */
export const excessOf = (text, limit) => Math.max(0, lengthOf(text) - limit);

/** Cuts a text to the limit. */
export const cut = (text, limit) => (excessOf(text, limit) ? [...text].slice(0, limit).join('').trim() : text);

/** Returns the message for a text that is too long. */
export function tooLongMessage(excess, limit) {
  const characters = excess === 1 ? '1 character' : `${excess.toLocaleString()} characters`;
  return `${characters} too many: a message has at most ${limit.toLocaleString()}.`;
}

/** Counts code points without copying the text, which may be a huge paste. */
function lengthOf(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

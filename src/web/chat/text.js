// Texts as the server takes them, and how long they may be, counted as the server counts: in characters, of which an
// emoji outside of the basic plane is one, where a string of JavaScript has two units.

/** How many characters a message and a name may have, as the server says in the page. */
export const limitOf = (what) => Number(document.querySelector(`meta[name="${what}-max-length"]`)?.content) || Infinity;

/**
 * A character that can be seen, by the rule of the server: no blank, nothing that only controls others, no glyph without ink;
 * of the signs for control, those that stand before a number.
 */
const VISIBLE =
  /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800\u{13441}\u{13442}\u{16fe4}\u{1d159}]|[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}]/u;

/**
 * A text as the server takes it: of control characters only newline and tab, no half of a character, nothing blank around
 * it; empty when there is nothing to be seen in it.
 */
export function clean(text) {
  const taken = text.replace(/\r\n?/g, '\n').replace(/[^\P{Cc}\n\t]/gu, '').replace(/\p{Cs}/gu, '\ufffd').trim();
  return VISIBLE.test(taken) ? taken : '';
}

/** A name as the server takes it: all on one line. */
export const cleanName = (text) => clean(text.replace(/[\r\n\t]+/g, ' '));

/** How many characters of a text are too many; 0 when it fits. */
export const excessOf = (text, limit) => Math.max(0, lengthOf(text) - limit);

/** A text without what is too much. */
export const cut = (text, limit) => (excessOf(text, limit) ? [...text].slice(0, limit).join('').trim() : text);

/** What to say of a text that is too long. */
export function tooLong(excess, limit) {
  const characters = excess === 1 ? '1 character' : `${excess.toLocaleString()} characters`;
  return `${characters} too many: a message has at most ${limit.toLocaleString()}.`;
}

/** Counts without a copy of the text: it may be as large as whatever somebody pastes. */
function lengthOf(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

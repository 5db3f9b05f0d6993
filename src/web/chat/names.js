// Generated names of users and rooms, and the initials and colors of users.

const ADJECTIVES = ['Brave', 'Calm', 'Curious', 'Gentle', 'Keen', 'Lucky', 'Merry', 'Patient', 'Quiet', 'Sunny', 'Swift', 'Wise'];
const ANIMALS = ['Badger', 'Crane', 'Finch', 'Fox', 'Heron', 'Lynx', 'Marten', 'Otter', 'Owl', 'Robin', 'Seal', 'Wren'];

const COLORS = ['Amber', 'Azure', 'Copper', 'Coral', 'Ivory', 'Jade', 'Lilac', 'Ochre', 'Olive', 'Pearl', 'Russet', 'Silver', 'Slate', 'Teal', 'Umber', 'Violet'];
const PLACES = ['Bay', 'Bridge', 'Cove', 'Field', 'Forest', 'Garden', 'Harbour', 'Hill', 'Island', 'Lake', 'Meadow', 'Orchard', 'River', 'Shore', 'Tower', 'Valley'];

const randomItem = (list) => list[Math.floor(Math.random() * list.length)];

/** Returns a random name for a new user. */
export const inventName = () => `${randomItem(ADJECTIVES)} ${randomItem(ANIMALS)}`;

/** Returns a readable name for a room, derived from its id, so that everybody sees the same. */
export function roomName(id) {
  const digit = (at) => Number.parseInt(id[at], 16);
  return `${COLORS[digit(0)]} ${PLACES[digit(1)]}`;
}

/** Returns the initials of a name. */
export function initials(name) {
  // Invisible characters, such as direction marks, would count as letters.
  const words = name.split(/[\s\p{Cc}]+/u).map((word) => word.replace(/^\p{Cf}+/u, '')).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => toCapital(firstLetter(word))).join('');
}

/** Returns the first grapheme, which may have several code points: a letter with accents, or an emoji of a family. */
function firstLetter(word) {
  if (!globalThis.Intl?.Segmenter) return LETTER.exec(word)[0];
  const [{ segment }] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(word);
  return segment;
}

/** An approximation for browsers without `Intl.Segmenter`: a flag, or a character with its modifiers. */
const LETTER = /^(?:\p{RI}{2}|.(?:[\p{M}\p{EMod}\u{e0020}-\u{e007f}]|\u200d.)*)/su;

/** Converts a letter to upper case, unless that would be two letters. */
function toCapital(letter) {
  const upper = letter.toUpperCase();
  return [...upper].length > [...letter].length ? letter : upper;
}

/** Returns the CSS class of the color of a user, one of eight, derived from the id. */
export function tone(userId) {
  let sum = 0;
  for (const letter of userId) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  return `tone-${sum % 8}`;
}

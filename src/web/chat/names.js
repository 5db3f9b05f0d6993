// Names to begin with, for who does not want to think of one.

const MANNERS = ['Brave', 'Calm', 'Curious', 'Gentle', 'Keen', 'Lucky', 'Merry', 'Patient', 'Quiet', 'Sunny', 'Swift', 'Wise'];
const ANIMALS = ['Badger', 'Crane', 'Finch', 'Fox', 'Heron', 'Lynx', 'Marten', 'Otter', 'Owl', 'Robin', 'Seal', 'Wren'];

const COLOURS = ['Amber', 'Azure', 'Copper', 'Coral', 'Ivory', 'Jade', 'Lilac', 'Ochre', 'Olive', 'Pearl', 'Russet', 'Silver', 'Slate', 'Teal', 'Umber', 'Violet'];
const PLACES = ['Bay', 'Bridge', 'Cove', 'Field', 'Forest', 'Garden', 'Harbour', 'Hill', 'Island', 'Lake', 'Meadow', 'Orchard', 'River', 'Shore', 'Tower', 'Valley'];

const any = (list) => list[Math.floor(Math.random() * list.length)];

export const inventName = () => `${any(MANNERS)} ${any(ANIMALS)}`;

/** What a room is called, the same for everybody: rooms have ids, and people like names better. */
export function roomName(id) {
  const digit = (at) => Number.parseInt(id[at], 16);
  return `${COLOURS[digit(0)]} ${PLACES[digit(1)]}`;
}

/** The letters that stand for a name in a small circle. */
export function initials(name) {
  // What is invisible, like a mark of direction, would be a letter of its own.
  const words = name.split(/[\s\p{Cc}]+/u).map((word) => word.replace(/^\p{Cf}+/u, '')).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => capital(firstLetter(word))).join('');
}

/** The first of what people count as letters, which may have several code points: with its accents, or a whole family. */
function firstLetter(word) {
  if (!globalThis.Intl?.Segmenter) return LETTER.exec(word)[0];
  const [{ segment }] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(word);
  return segment;
}

/** Nearly the same, for browsers that cannot tell: a flag, or a sign with all that belongs to it. */
const LETTER = /^(?:\p{RI}{2}|.(?:[\p{M}\p{EMod}\u{e0020}-\u{e007f}]|\u200d.)*)/su;

/** A capital letter, unless that would be two. */
function capital(letter) {
  const upper = letter.toUpperCase();
  return [...upper].length > [...letter].length ? letter : upper;
}

/** Which of the eight colours a user has; the same for everybody who looks. */
export function tone(userId) {
  let sum = 0;
  for (const letter of userId) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  return `tone-${sum % 8}`;
}

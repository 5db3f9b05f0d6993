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
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...word][0] ?? '').join('').toUpperCase();
}

/** Which of the eight colours a user has; the same for everybody who looks. */
export function tone(userId) {
  let sum = 0;
  for (const letter of userId) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  return `tone-${sum % 8}`;
}

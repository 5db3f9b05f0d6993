// A room in an address: `#id/code`. The fragment stays in the browser, so the code is in no request for the page.

const ROOM = /\b([0-9a-f]{32})(?:\/([^\s/#]+))?/i;

/** The room that the address of this page names: `{ id, code }`, or null. */
export function roomInAddress() {
  const room = readRoom(decoded(location.hash));
  return room?.code ? room : null;
}

/** The address of a room, to share. */
export const linkTo = ({ id, code }) => `${location.href.split('#')[0]}${fragmentOf({ id, code })}`;

export const fragmentOf = ({ id, code }) => `#${id}/${encodeURIComponent(code)}`;

/** Finds a room in what somebody typed or pasted: a link, or an id with or without a code. */
export function readRoom(text) {
  const [, id, code] = ROOM.exec(decoded(text)) ?? [];
  return id ? { id: id.toLowerCase(), code } : null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

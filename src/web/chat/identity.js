// The identity with which the host site vouches for the user. The link to a room brings it; the site replaces it before it expires
// with another link to the same room.

let identity = null;

/** Returns the current identity, or null if the user has none. */
export const currentIdentity = () => identity;

/** Takes the identity from the address of this page, `#id/code&identity=…`. Returns whether it has one. */
export function readIdentity() {
  const [, found] = /[?&]identity=([\w-]+\.[\w-]+\.[\w-]+)/.exec(location.hash) ?? [];
  identity = found ?? identity;
  return found !== undefined;
}

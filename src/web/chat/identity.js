// Who this browser is to this server: a user id, a name, and the token for the next action. All its tabs are one user.

import { alone, keep, kept } from './keep.js';
import { inventName } from './names.js';
import { cut, limitOf } from './text.js';

/** 128 random bits in hex digits. Works without a secure context, too. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The user of this browser: `{ userId, token, name, isKnown }`. It is known to the server from its first message on. */
export function me() {
  let user = kept('user');
  if (!user?.userId || !user.token) {
    user = newUser(inventName());
    keep('user', user);
  }
  return user;
}

// With a token of its own, even the very first action can be repeated when its answer is lost.
const newUser = (name) => ({ userId: randomId(), token: randomId(), name, isKnown: false });

/** Chooses a name, which the first message makes final. Of a name that is too long, the beginning. */
export function rename(name) {
  const user = me();
  if (!user.isKnown && name !== '') keep('user', { ...user, name: cut(name, limitOf('display-name')) });
}

/** Goes on as somebody new, because the server does not take this user's token any more. */
export function startOver() {
  keep('user', newUser(me().name));
}

/**
 * Acts as this user: `action({ userId, token, name })` gives what the server answered, with the next token in it. One
 * action at a time over all tabs, each with the token as it is then.
 */
export function act(action) {
  return alone(async () => {
    const user = me();
    const payload = await action(user);
    keep('user', { ...user, token: payload.token, name: payload.author?.displayName ?? user.name, isKnown: true });
    return payload;
  });
}

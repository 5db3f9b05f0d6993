// The user of this browser: id, name, and the token for the next action. All tabs share one user.

import { inventName } from './names.js';
import { load, save, withLock } from './storage.js';
import { cut, limitOf } from './text.js';

/** Returns 128 random bits as hex digits. Unlike `crypto.randomUUID`, works without a secure context, too. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Returns the user of this browser: `{ userId, token, name, isKnown }`. `isKnown`: the server has the name, which is final. */
export function currentUser() {
  let user = load('user');
  if (!user?.userId || !user.token) {
    user = newUser(inventName());
    save('user', user);
  }
  return user;
}

// With a token chosen by the client, even the first send can be repeated if its response is lost.
const newUser = (name) => ({ userId: randomId(), token: randomId(), name, isKnown: false });

/** Sets the name, until the first message or joining a room makes it final. A name that is too long is cut. */
export function setName(name) {
  const user = currentUser();
  if (!user.isKnown && name !== '') save('user', { ...user, name: cut(name, limitOf('display-name')) });
}

/** Continues as a new user, because the server no longer accepts the token of this one. */
export function replaceUser() {
  save('user', newUser(currentUser().name));
}

/**
 * Runs `action({ userId, token, name })`, which returns the payload of a mutation, and stores the next token from it. Actions
 * of all tabs run one at a time, because each needs the token of the previous one.
 */
export function actAsUser(action) {
  return withLock(async () => {
    const user = currentUser();
    const payload = await action(user);
    save('user', { ...user, token: payload.token, name: (payload.author ?? payload.user)?.displayName ?? user.name, isKnown: true });
    return payload;
  });
}

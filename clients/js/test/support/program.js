// A client in the scenarios, in a tab of a browser or in a process of Node.js. It does what the runner of the scenarios says.

import { LiveChat } from '../../src/index.js';

/** Where this client keeps its user: in a browser, for all tabs. */
const storage = 'document' in globalThis ? localStorage : memory();

/** @type {LiveChat | undefined} */
let chat;
let url = '';
/** The rooms that this client has joined, with what happened in them. */
const rooms = [];

const commands = {
  /** Connects to a server. */
  connect(address, options) {
    url = address;
    chat = new LiveChat(url, { storage, ...options });
  },
  createRoom: (settings) => chat.createRoom(settings),
  /** Joins a room. Returns its number in this client. */
  async join(options) {
    const room = await chat.join(options);
    const joined = { room, events: [], progress: new Set(), isOver: false };
    room.addEventListener('change', () => {
      for (const { status, error } of room.state.messages) joined.progress.add(error ? `${status} ${error.code}` : status);
    });
    follow(joined);
    return rooms.push(joined) - 1;
  },
  state: (number) => rooms[number].room.state,
  /** The events so far. */
  events: (number) => rooms[number].events,
  /** Whether the iteration over the events has ended without an error. */
  isOver: (number) => rooms[number].isOver,
  /** What messages have gone through so far: a status, and the code of the error if there was one. */
  progress: (number) => [...rooms[number].progress],
  /** Calls a method of the room. */
  call: (number, method, ...values) => rooms[number].room[method](...values),
  leave: (number) => rooms[number].room.leave(),
  endRoom: (number) => rooms[number].room.owner.end(),
  /** Replaces the token of the user by a wrong one. */
  loseToken() {
    const name = `livechat:${new URL('graphql', url)}:user`;
    storage.setItem(name, JSON.stringify({ ...JSON.parse(storage.getItem(name)), token: '0'.repeat(32) }));
  },
};

function memory() {
  const values = new Map();
  return { getItem: (name) => values.get(name) ?? null, setItem: (name, value) => values.set(name, value) };
}

async function follow(joined) {
  for await (const event of joined.room) joined.events.push(event);
  joined.isOver = true;
}

/** Executes a command. Returns JSON: its result, or the code of its error. `options` are added to those of the client. */
export async function execute(command, values, options) {
  try {
    if (command === 'connect') values = [values[0], { ...options, ...values[1] }];
    return JSON.stringify({ result: await commands[command](...values) });
  } catch (error) {
    return JSON.stringify({ error: { code: error.code, message: error.stack } });
  }
}

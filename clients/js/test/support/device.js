// A device of a user in the scenarios: a profile of a browser, or a process of Node.js, with its clients.
//
// A driver has `name`, `open()`, `close()` and `openDevice({ isFrozenLater })`. The latter returns `{ pid, openClient, close }`, and
// `openClient()` returns `{ execute, close }`: `execute(command, values)` runs a command of program.js and resolves to its JSON. A
// client without `close` cannot be closed alone. A device that is frozen later shares no process with others.

import { QUICK } from './client.js';
import { freeze, thaw } from './frozen.js';

export class Device {
  #driver;
  #profile;
  #url;
  #timing;

  static async open(t, driver, url, { isFrozenLater = false, timing = QUICK } = {}) {
    const device = new Device();
    device.#driver = driver;
    device.#profile = await driver.openDevice({ isFrozenLater });
    device.#url = url;
    device.#timing = timing;
    t.after(() => {
      // A stopped process does not end.
      if (isFrozenLater) device.thaw();
      return device.#profile.close();
    });
    return device;
  }

  /** Opens a client: a tab. In Node.js, all clients of a device are the same. */
  async openClient() {
    const { execute, close } = await this.#profile.openClient();
    const command = async (name, ...values) => {
      const { result, error } = JSON.parse(await execute(name, values));
      if (error) throw Object.assign(new Error(error.message), { code: error.code });
      return result;
    };
    await command('connect', this.#url, { timing: this.#timing });
    return { command, close, join: async (options) => new JoinedRoom(command, await command('join', options), close) };
  }

  /** Joins a room in a client of its own. */
  async join(options) {
    return (await this.openClient()).join(options);
  }

  freeze() {
    freeze(this.#profile.pid);
  }

  thaw() {
    thaw(this.#profile.pid);
  }
}

/** A room that a client has joined. */
class JoinedRoom {
  #command;
  #number;
  #close;

  constructor(command, number, close) {
    this.#command = command;
    this.#number = number;
    this.#close = close;
  }

  state = () => this.#command('state', this.#number);
  events = () => this.#command('events', this.#number);
  isOver = () => this.#command('isOver', this.#number);
  progress = () => this.#command('progress', this.#number);
  loseToken = () => this.#command('loseToken');
  endRoom = () => this.#command('endRoom', this.#number);
  call = (method, ...values) => this.#command('call', this.#number, method, ...values);
  send = (text) => this.call('send', text);
  cursors = async () => (await this.events()).map(({ cursor }) => cursor);
  texts = async () => (await this.state()).messages.map(({ text }) => text);

  /** Leaves the room, and closes the tab if this is one. */
  async close() {
    if (this.#close) await this.#close();
    else await this.#command('leave', this.#number);
  }
}

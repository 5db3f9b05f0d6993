// The tabs of a browser that are connected to the same server. One of them, the leader, has the connection, and serves the others
// over a BroadcastChannel. Without Web Locks, which need a secure context, each tab has a connection of its own.
//
// A lock names the leader, so the browser makes another tab the leader when it closes. Each tab then attaches to the new leader
// with its own cursors, so it misses nothing. A leader that does not respond, because it is frozen or throttled, loses the lock to
// a visible tab.

import { every } from './clock.js';
import { LiveChatError } from './errors.js';
import { Hub } from './hub.js';
import { aborted, wakePauses } from './retry.js';
import { randomId } from './storage.js';

/** @import { FeedMessage, Receive, Topic } from './hub.js' */
/** @import { Server } from './server.js' */

/**
 * @typedef {{ topic: Topic, variables: object, cursor: () => string | undefined, receive: Receive }} Attachment
 */

export class Tabs {
  #server;
  #name;
  #isShared;
  #id = randomId();
  /** The hub of the leader. @type {Hub | null} */
  #hub = null;
  /** Id of the current hub, if known. It differs from that of any other hub, also of the same tab. */
  #leader = '';
  /** @type {Map<string, Attachment>} */
  #attached = new Map();
  #lastId = 0;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  #stopped = new AbortController();
  /** Ends the wait for the lock of the leader. */
  #waiting = new AbortController();
  #takesOver = false;
  /** The tabs that this leader serves. @type {Set<string>} */
  #served = new Set();
  /** Since when the leader has not responded; 0 if it has. */
  #silentSince = 0;

  /**
   * @param {Server} server
   * @param {string} name Tabs with the same name share a connection.
   * @param {boolean} isShared
   */
  constructor(server, name, isShared) {
    this.#server = server;
    this.#name = name;
    this.#isShared = isShared && 'document' in globalThis && !!navigator.locks && 'BroadcastChannel' in globalThis;
    this.#start();
  }

  /**
   * Calls `receive` until the feed is over. Resolves if it has ended with its room; rejects if it was refused, or `signal` is
   * aborted.
   *
   * @param {Topic} topic
   * @param {object} variables
   * @param {() => string | undefined} cursor The cursor of the last event that `receive` got.
   * @param {Receive} receive
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  follow(topic, variables, cursor, receive, signal) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      /** @type {Attachment} */
      const attachment = {
        topic,
        variables,
        cursor,
        receive: (message) => {
          if (!message.isOver) return receive(message);
          signal.removeEventListener('abort', leave);
          if (message.error) reject(LiveChatError.from(message.error));
          else resolve();
        },
      };
      const leave = () => {
        this.#detach(attachment);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave);
      this.#attach(attachment);
    });
  }

  close() {
    this.#stop();
    this.#attached.clear();
  }

  #start() {
    this.#stopped = new AbortController();
    const { signal } = this.#stopped;
    for (const hint of ['online', 'offline', 'pageshow']) globalThis.addEventListener?.(hint, () => this.#check(), { signal });
    globalThis.document?.addEventListener('visibilitychange', () => this.#check(), { signal });
    if (!this.#isShared) {
      this.#hub = new Hub(this.#server);
      return;
    }
    const channel = new BroadcastChannel(this.#name);
    this.#channel = channel;
    // The leader notices by this lock when a tab closes. A tab that attached before it holds the lock would count as closed.
    navigator.locks.request(`${this.#name}:${this.#id}`, () => {
      channel.onmessage = ({ data }) => this.#receive(data);
      this.#post({ hello: true });
      this.#compete(signal);
      return aborted(signal);
    });
    const stopTimer = every(this.#server.timing.check, (isLate) => {
      if (isLate) this.#silentSince = 0;
      this.#check();
    });
    signal.addEventListener('abort', stopTimer);
    // A page in the back/forward cache would keep the lock.
    addEventListener('pagehide', ({ persisted }) => persisted && this.#suspend(), { signal });
  }

  #stop() {
    this.#stopped.abort();
    this.#waiting.abort();
    this.#stepDown();
    this.#channel?.close();
  }

  #suspend() {
    this.#stop();
    addEventListener('pageshow', () => this.#start(), { once: true });
  }

  /**
   * Becomes the leader whenever no other tab is.
   *
   * @param {AbortSignal} signal
   */
  async #compete(signal) {
    while (!signal.aborted) {
      this.#waiting = new AbortController();
      const options = this.#takesOver ? { steal: true } : { signal: this.#waiting.signal };
      this.#takesOver = false;
      try {
        await navigator.locks.request(this.#name, options, () => this.#lead(signal));
      } catch {
        // Another tab has taken the lock, or this tab does no longer wait for it.
      }
      if (!signal.aborted) this.#stepDown();
    }
  }

  /** @param {AbortSignal} signal */
  #lead(signal) {
    if (signal.aborted) return;
    this.#hub = new Hub(this.#server);
    this.#leader = randomId();
    this.#silentSince = 0;
    this.#post({ leader: this.#leader });
    this.#attachAgain();
    return aborted(signal);
  }

  #stepDown() {
    if (!this.#hub) return;
    this.#hub.detachAll();
    this.#hub = null;
    this.#leader = '';
    this.#served.clear();
    this.#server.close();
    // Other tabs may still take this one for the leader.
    this.#post({ hello: true });
  }

  #attachAgain() {
    const attachments = [...this.#attached.values()];
    this.#attached.clear();
    attachments.forEach((attachment) => this.#attach(attachment));
  }

  /**
   * The id differs each time, so that messages of an earlier leader are ignored.
   *
   * @param {Attachment} attachment
   */
  #attach(attachment) {
    const id = `${this.#id}:${(this.#lastId += 1)}`;
    this.#attached.set(id, attachment);
    const { topic, variables, cursor } = attachment;
    if (this.#hub) this.#hub.attach(id, topic, variables, cursor(), (message) => this.#deliver(id, message));
    else if (this.#leader) this.#post({ to: this.#leader, from: this.#id, attach: { id, topic, variables, after: cursor() } });
  }

  /** @param {Attachment} attachment */
  #detach(attachment) {
    for (const [id, known] of this.#attached) {
      if (known !== attachment) continue;
      this.#attached.delete(id);
      if (this.#hub) this.#hub.detach(id);
      else this.#post({ to: this.#leader, detach: id });
    }
  }

  /**
   * @param {string} id
   * @param {FeedMessage} message
   */
  #deliver(id, message) {
    const attachment = this.#attached.get(id);
    if (!attachment) return;
    if (message.isOver) this.#detach(attachment);
    attachment.receive(message);
  }

  /** @param {any} message */
  #post(message) {
    if (!this.#stopped.signal.aborted) this.#channel?.postMessage(message);
  }

  /** @param {any} message */
  #receive({ hello, leader, to, from, attach, detach, check, lost, id, message }) {
    const hub = this.#hub;
    if (hello && hub) this.#post({ leader: this.#leader });
    if (leader && !hub && leader !== this.#leader) {
      this.#leader = leader;
      this.#silentSince = 0;
      this.#attachAgain();
    }
    if (to === this.#id) {
      if (id) this.#deliver(id, message);
      if (lost) this.#confirm(lost);
    } else if (hub && to === this.#leader) {
      if (attach) this.#serve(hub, from, attach);
      if (detach) hub.detach(detach);
      if (check) this.#respond(hub, from, check);
    }
  }

  /**
   * @param {Hub} hub
   * @param {string} tab
   * @param {{ id: string, topic: Topic, variables: object, after: string | undefined }} attachment
   */
  #serve(hub, tab, { id, topic, variables, after }) {
    if (!this.#served.has(tab)) {
      this.#served.add(tab);
      // Granted when the tab is gone.
      navigator.locks.request(`${this.#name}:${tab}`, { signal: this.#stopped.signal }, () => {
        this.#served.delete(tab);
        this.#hub?.detachAll(tab);
      }).catch(() => {});
    }
    hub.attach(id, topic, variables, after, (message) => this.#post({ to: tab, id, message }));
  }

  /**
   * Responds to a check with the attachments that this hub does not know.
   *
   * @param {Hub} hub
   * @param {string} tab
   * @param {string[]} ids
   */
  async #respond(hub, tab, ids) {
    // The timers of hidden tabs are throttled.
    if (!isVisible()) wakePauses();
    await this.#server.check();
    this.#post({ to: tab, lost: ids.filter((id) => !hub.has(id)) });
  }

  /**
   * The leader has responded: it is alive, and does not know these attachments.
   *
   * @param {string[]} lost
   */
  #confirm(lost) {
    this.#silentSince = 0;
    for (const id of lost) {
      const attachment = this.#attached.get(id);
      this.#attached.delete(id);
      if (attachment) this.#attach(attachment);
    }
  }

  /** Checks the connection, or that the leader does. Takes over from one that does not respond. */
  #check() {
    const now = Date.now();
    if (this.#hub) {
      this.#server.check();
    } else if (isVisible() && this.#silentSince && now - this.#silentSince > this.#server.timing.check / 2) {
      this.#silentSince = 0;
      this.#takesOver = true;
      this.#waiting.abort();
    } else {
      this.#silentSince ||= now;
      const check = [...this.#attached.keys()];
      this.#post(this.#leader ? { to: this.#leader, from: this.#id, check } : { hello: true });
    }
  }
}

/** Whether the user sees this tab. */
const isVisible = () => document.visibilityState === 'visible';

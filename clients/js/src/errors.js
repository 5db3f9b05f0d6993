// The errors of this package.

/**
 * A code of the server (docs/clients.md lists them), or one of the client:
 * `NETWORK`: the server could not be reached. `LEFT`: the room was left first. `LAGGED`: an iterator was read too slowly.
 *
 * @typedef {'NETWORK' | 'LEFT' | 'LAGGED' | 'ROOM_NOT_FOUND' | 'ROOM_CODE_INVALID' | 'TOKEN_INVALID' | 'VALIDATION_FAILED'
 *   | 'MESSAGE_NOT_FOUND' | 'NOT_AUTHOR' | 'CURSOR_INVALID' | 'ROOM_FULL' | 'OWNER_TOKEN_INVALID' | 'PRESENCE_TOKEN_INVALID'
 *   | 'USER_BANNED' | 'ROOM_LOCKED' | 'SLOW_MODE' | 'ROOM_AT_CAPACITY' | 'EDIT_LIMIT_REACHED' | 'CONFLICT' | 'RATE_LIMITED'
 *   | 'IDENTITY_REQUIRED' | 'IDENTITY_INVALID' | 'IDENTITY_EXPIRED' | 'UNAVAILABLE' | 'OVERLOADED' | 'TIMEOUT' | 'INTERNAL'
 *   | (string & {})} ErrorCode
 */

/**
 * @typedef {object} ErrorDetails
 * @property {number} [retryAfterMs] Milliseconds to wait before the next try, if the server says so.
 * @property {string | null} [until] When a ban ends; null if it does not.
 * @property {string} [field] The input field that broke a rule.
 */

/** Errors after which the same request may succeed later. */
const TRANSIENT = 'NETWORK UNAVAILABLE OVERLOADED TIMEOUT REQUEST_TIMEOUT CONFLICT RATE_LIMITED SLOW_MODE ROOM_AT_CAPACITY TOO_MANY_SUBSCRIPTIONS'.split(' ');

/** Why something failed. */
export class LiveChatError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {ErrorDetails} [details]
   */
  constructor(code, message, { retryAfterMs, until, field } = {}) {
    super(message);
    this.name = 'LiveChatError';
    /** @type {ErrorCode} */
    this.code = code;
    /** Milliseconds to wait before the next try, if the server says so. */
    this.retryAfterMs = retryAfterMs;
    /** When a ban ends; null if it does not. */
    this.until = until;
    /** The input field that broke a rule. */
    this.field = field;
  }

  /** Whether the same request may succeed later. */
  get isTransient() {
    return TRANSIENT.includes(this.code);
  }

  /**
   * From an error of a GraphQL response.
   *
   * @param {{ message: string, extensions?: ErrorDetails & { code?: string } }} error
   */
  static from({ message, extensions }) {
    return new LiveChatError(extensions?.code ?? 'INTERNAL', message, extensions);
  }

  /**
   * The opposite of `from`: a copy that can be posted to another tab.
   *
   * @returns {{ message: string, extensions: object }}
   */
  toPlain() {
    return { message: this.message, extensions: { ...this } };
  }
}

export const left = () => new LiveChatError('LEFT', 'The room was left.');

export const networkError = () => new LiveChatError('NETWORK', 'The server cannot be reached.');

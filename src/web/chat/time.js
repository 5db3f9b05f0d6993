// Times in the language and the time zone of the user.

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const relativeFormat = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const HOUR = 3_600_000;
const MINUTE = 60_000;

/** Maximum delay of a timer, in milliseconds. Timers stand still while the computer sleeps, so short ones notice a new day sooner. */
const MAX_TIMER = MINUTE;

export const clockTime = (timestamp) => clockFormat.format(new Date(timestamp));
export const fullTime = (timestamp) => fullFormat.format(new Date(timestamp));

/** Returns the same string for all times of one local day. */
export const dayOf = (timestamp) => new Date(timestamp).toDateString();

/** Returns the start of today, or of the day this many days later. Some days have 23 or 25 hours. */
function midnight(days) {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
}

/** Returns “Today”, “Yesterday”, or the date. */
export function dayName(timestamp) {
  for (const days of [0, -1]) {
    if (dayOf(timestamp) === dayOf(midnight(days))) {
      const name = relativeFormat.format(days, 'day');
      return name[0].toUpperCase() + name.slice(1);
    }
  }
  return dayFormat.format(new Date(timestamp));
}

/** Calls `callback` when a new day begins, at midnight or as soon as the page notices, until `signal` is aborted. */
export function onNewDay(callback, signal) {
  let today = dayOf(Date.now());
  let timer;
  const check = () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    timer = setTimeout(check, Math.min(midnight(1) - Date.now(), MAX_TIMER));
    if (today === dayOf(Date.now())) return;
    today = dayOf(Date.now());
    callback();
  };
  document.addEventListener('visibilitychange', check, { signal });
  addEventListener('pageshow', check, { signal });
  signal.addEventListener('abort', check);
  check();
}

/** Returns the time left until `timestamp` in words: “23 h left”. */
export function timeLeft(timestamp, now) {
  const left = Date.parse(timestamp) - now;
  if (left <= 0) return 'ended';
  if (left < MINUTE) return 'under a minute left';
  if (left < 2 * HOUR) return `${Math.floor(left / MINUTE)} min left`;
  return `${Math.floor(left / HOUR)} h left`;
}

/** Returns a time of today as its clock time, any other with its day. */
export function momentOf(timestamp) {
  const isToday = dayOf(timestamp) === dayOf(midnight(0));
  return isToday ? clockTime(timestamp) : `${dayFormat.format(new Date(timestamp))}, ${clockTime(timestamp)}`;
}

/** Returns a number of seconds in words: “1 min 5 s”. */
export function waitOf(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  return [minutes > 0 && `${minutes} min`, (rest > 0 || minutes === 0) && `${rest} s`].filter(Boolean).join(' ');
}

/** Units of a room's life, in seconds. */
const UNITS = [[86_400, 'days'], [3_600, 'hours'], [60, 'minutes']];

/** Returns a number of seconds in the largest unit that leaves no rest: “24 hours”. One unit is several smaller ones. */
export function spanOf(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds % size === 0 && seconds > size) ?? [1, seconds === 1 ? 'second' : 'seconds'];
  return `${seconds / size} ${unit}`;
}

/** Returns how long rooms of this server live, in words. */
export const roomLifetime = () => spanOf(Number(document.querySelector('meta[name="room-ttl-seconds"]').content));

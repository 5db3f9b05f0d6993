// Moments in the words and the time zone of who reads.

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const near = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const HOUR = 3_600_000;
const MINUTE = 60_000;

/** How long a timer is waited for at most, in milliseconds: it stands still while the computer sleeps. */
const LONGEST_WAIT = MINUTE;

export const clockTime = (moment) => clock.format(new Date(moment));
export const fullTime = (moment) => full.format(new Date(moment));

/** The same for all moments of one day here. */
export const dayOf = (moment) => new Date(moment).toDateString();

/** The midnight that begins today, or the day so many days later. Not all days have 24 hours. */
function midnight(days) {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
}

/** “Today”, “Yesterday”, or the day. It may be another one tomorrow. */
export function dayName(moment) {
  for (const days of [0, -1]) {
    if (dayOf(moment) === dayOf(midnight(days))) {
      const name = near.format(days, 'day');
      return name[0].toUpperCase() + name.slice(1);
    }
  }
  return day.format(new Date(moment));
}

/** Calls `changed` whenever another day has begun, until `signal` is aborted: at midnight, or as soon as that is noticed. */
export function onNewDay(changed, signal) {
  let today = dayOf(Date.now());
  let timer;
  const check = () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    timer = setTimeout(check, Math.min(midnight(1) - Date.now(), LONGEST_WAIT));
    if (today === dayOf(Date.now())) return;
    today = dayOf(Date.now());
    changed();
  };
  document.addEventListener('visibilitychange', check, { signal });
  addEventListener('pageshow', check, { signal });
  signal.addEventListener('abort', check);
  check();
}

/** How much is left until then, in words: “23 h left”. */
export function timeLeft(moment, now) {
  const left = Date.parse(moment) - now;
  if (left <= 0) return 'ended';
  if (left < MINUTE) return 'under a minute left';
  if (left < 2 * HOUR) return `${Math.floor(left / MINUTE)} min left`;
  return `${Math.floor(left / HOUR)} h left`;
}

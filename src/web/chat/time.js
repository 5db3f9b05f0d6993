// Moments in the words and the time zone of who reads.

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const near = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const HOUR = 3_600_000;
const MINUTE = 60_000;

export const clockTime = (moment) => clock.format(new Date(moment));
export const fullTime = (moment) => full.format(new Date(moment));

/** The same for all moments of one day here. */
export const dayOf = (moment) => new Date(moment).toDateString();

/** “Today”, “Yesterday”, or the day. */
export function dayName(moment) {
  for (const ago of [0, 1]) {
    if (dayOf(moment) === dayOf(Date.now() - ago * 24 * HOUR)) {
      const name = near.format(-ago, 'day');
      return name[0].toUpperCase() + name.slice(1);
    }
  }
  return day.format(new Date(moment));
}

/** How much is left until then, in words: “23 h left”. */
export function timeLeft(moment, now) {
  const left = Date.parse(moment) - now;
  if (left <= 0) return 'ended';
  if (left < MINUTE) return 'under a minute left';
  if (left < 2 * HOUR) return `${Math.floor(left / MINUTE)} min left`;
  return `${Math.floor(left / HOUR)} h left`;
}

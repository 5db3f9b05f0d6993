// The calculator on the page about scaling. Its figures come from the tables of that page, so they exist once.

/** The figures, each with the beginning of its row and the column of its value. */
const ROWS = {
  deliveryUs: ['a delivery, rooms of 100, a quarter of each on every node', 1],
  smallRoomUs: ['a message to a room of two', 1],
  idleUs: ['an idle subscribed socket, for a second', 1],
  openUs: ['opening a socket and a subscription', 1],
  socketKib: ['an idle subscribed socket, in our process', 1],
  redisSendUs: ['a send, a single Redis', 1],
  clusterSendUs: ['a send, one shard of a cluster', 1],
  announceUs: ['announcing an event to one more node', 1],
  messageBytes: ['a message of 50 characters in Redis', 1],
  roomBytes: ['an empty room in Redis', 1],
};

const CORES_PER_SERVER = 4;
const SOCKETS_PER_SERVER = 100_000;
/** Shares of a server and of a shard that may be busy. The rest is for bursts. */
const SERVER_SHARE = 0.5;
const SHARD_SHARE = 0.6;
/** Characters of the measured message. */
const MEASURED_CHARACTERS = 50;

/** Reads the figures from the rows of the tables, each a list of the texts of its cells. */
export function readFigures(rows) {
  return Object.fromEntries(
    Object.entries(ROWS).map(([name, [start, column]]) => {
      const row = rows.find((cells) => cells[0]?.startsWith(start));
      const value = Number.parseFloat(row?.[column]?.replaceAll(',', ''));
      if (Number.isNaN(value)) throw new Error(`there is no figure for "${start}"`);
      return [name, value];
    }),
  );
}

/** What the numbers of an operator need. */
export function calculate({ sockets, rooms, messages, characters, hours, reconnect, spread }, figures) {
  const readers = sockets / Math.max(rooms, 1);
  // Both figures include the send. In small rooms it dominates.
  const messageUs = Math.max(figures.smallRoomUs, readers * figures.deliveryUs);
  const idleCores = (sockets * figures.idleUs) / 1e6;
  const deliveryCores = (messages * messageUs) / 1e6;
  const used = idleCores + deliveryCores;
  const servers = Math.max(
    1,
    Math.ceil(sockets / SOCKETS_PER_SERVER),
    Math.ceil(used / SERVER_SHARE / CORES_PER_SERVER),
  );
  const announcements = spread ? Math.min(servers, Math.max(1, Math.ceil(readers))) : 1;
  const redisCores = (sendUs) => (messages * (sendUs + announcements * figures.announceUs)) / 1e6;
  const isSingle = redisCores(figures.redisSendUs) <= SHARD_SHARE;
  const redis = redisCores(isSingle ? figures.redisSendUs : figures.clusterSendUs);
  const bytes = figures.messageBytes + Math.max(0, characters - MEASURED_CHARACTERS);
  return {
    deliveries: messages * readers,
    memoryGib: (sockets * figures.socketKib) / 1024 ** 2,
    idleCores,
    deliveryCores,
    reconnectCores: (sockets / reconnect) * (figures.openUs / 1e6),
    servers,
    cores: servers * CORES_PER_SERVER,
    redisCores: redis,
    shards: isSingle ? 1 : Math.max(2, Math.ceil(redis / SHARD_SHARE)),
    redisGib: (rooms * figures.roomBytes + messages * 3600 * hours * bytes) / 1024 ** 3,
  };
}

const FIELDS = [
  ['sockets', 'Open sockets', 10_000],
  ['rooms', 'Rooms', 1_000],
  ['messages', 'Messages per second, in all rooms', 100],
  ['characters', 'Characters of a message', 100],
  ['hours', 'Hours a room lives (ROOM_TTL)', 24],
  ['reconnect', 'Seconds in which all reconnect after an outage', 60],
];

const RESULTS = [
  ['deliveries', 'deliveries per second'],
  ['memoryGib', 'GiB of memory of all servers, and the kernel’s'],
  ['idleCores', 'cores for idle sockets'],
  ['deliveryCores', 'cores for messages'],
  ['reconnectCores', 'cores while all reconnect'],
  ['servers', `servers of ${CORES_PER_SERVER} cores, at most half busy, with up to ${SOCKETS_PER_SERVER.toLocaleString('en')} sockets each`],
  ['redisCores', 'cores of Redis'],
  ['shards', 'Redis shards (1 is a single Redis), at most 60% busy'],
  ['redisGib', 'GiB of memory of Redis, if the messages come around the clock'],
];

function show(place) {
  const rows = [...document.querySelectorAll('table tr')].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
  const figures = readFigures(rows);
  const form = document.createElement('form');
  for (const [name, label, value] of FIELDS) {
    const input = Object.assign(document.createElement('input'), { type: 'number', min: 1, step: 'any', name, value });
    form.append(withLabel(label, input));
  }
  const spread = Object.assign(document.createElement('input'), { type: 'checkbox', name: 'spread', checked: true });
  form.append(withLabel('Readers of a room are on several servers', spread));
  const output = Object.assign(document.createElement('table'), { ariaLive: 'polite' });
  const update = () => {
    const numbers = FIELDS.map(([name]) => [name, Math.max(1, form.elements[name].valueAsNumber || 1)]);
    const results = calculate({ ...Object.fromEntries(numbers), spread: spread.checked }, figures);
    output.replaceChildren(
      ...RESULTS.map(([name, label]) => {
        const row = document.createElement('tr');
        const head = Object.assign(document.createElement('th'), { scope: 'row', textContent: label });
        const digits = { maximumSignificantDigits: results[name] < 100 ? 2 : 3 };
        const cell = Object.assign(document.createElement('td'), { textContent: results[name].toLocaleString('en', digits) });
        row.append(head, cell);
        return row;
      }),
    );
  };
  form.addEventListener('input', update);
  form.addEventListener('submit', (event) => event.preventDefault());
  update();
  place.replaceChildren(form, output);
}

function withLabel(text, input) {
  const label = document.createElement('label');
  label.append(input, ` ${text}`);
  return label;
}

const place = globalThis.document?.getElementById('calculator');
if (place) show(place);

-- What several scripts need. Stands in front of each of them and decides nothing.

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Lua writes large numbers with an exponent if it is let.
local function digits(number)
  return string.format('%.0f', number)
end

local function is_alive(expires_at, at)
  return expires_at and tonumber(expires_at) > at
end

-- Fields of the room, if it is alive and whole. KEYS begin with room, messages, log, once, chatters, roster. A Redis that
-- evicts may have let go of some of them; what is left is no room any more, and no part of it is ever made anew.
local function read_room(at, ...)
  local fields = redis.call('HMGET', KEYS[1], 'expires_at', 'seq', 'named', ...)
  local expires_at, seq, named = fields[1], fields[2], fields[3]
  if not is_alive(expires_at, at) then
    return nil
  end
  local parts = seq == '0' and 0 or named and 5 or 4
  if redis.call('EXISTS', unpack(KEYS, 2, 6)) < parts then
    return nil
  end
  return { unpack(fields, 4) }
end

-- Lets a key live until `expires_at` at least. Writes only when something changes, to spare replicas and the disk.
local function keep(key, expires_at, at)
  if redis.call('PTTL', key) < tonumber(expires_at) - at then
    redis.call('PEXPIREAT', key, expires_at)
  end
end

-- Fields of a hash, in pieces that fit on the stack.
local function read_fields(key, names)
  local values = {}
  for first = 1, #names, 500 do
    local last = math.min(first + 499, #names)
    local piece = redis.call('HMGET', key, unpack(names, first, last))
    for i = 1, #piece do
      values[first + i - 1] = piece[i]
    end
  end
  return values
end

-- A message as it is read: its record, and its text if it still has one.
local function with_text(record, text)
  if text then
    return record .. '\n' .. text
  end
  return record
end

local function write_event(kind, seq, check, at, index, record, text)
  return table.concat({ kind, seq, check, at, index }, ':') .. '\n' .. with_text(record, text)
end

-- Takes rooms that expired off the list, at most `count`.
local function prune_rooms(by_age, by_expiry, at, count)
  local expired = redis.call('ZRANGEBYSCORE', by_expiry, '-inf', digits(at), 'LIMIT', 0, count)
  if #expired > 0 then
    redis.call('ZREM', by_age, unpack(expired))
    redis.call('ZREM', by_expiry, unpack(expired))
  end
end

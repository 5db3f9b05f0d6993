-- Functions for several scripts. Prepended to each of them; decides nothing.

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Formats a number without the exponent that Lua uses for large ones.
local function digits(number)
  return string.format('%.0f', number)
end

local function is_alive(expires_at, at)
  return expires_at and tonumber(expires_at) > at
end

-- Returns fields of the room, if it is alive and complete. KEYS begin with room, messages, log, once, chatters, roster. A Redis
-- that evicts keys may have evicted some of them. Then the room counts as gone, and no part of it is ever created again.
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

-- Keeps a key until `expires_at` at least. Writes only if that changes something, to spare replicas and the disk.
local function keep(key, expires_at, at)
  if redis.call('PTTL', key) < tonumber(expires_at) - at then
    redis.call('PEXPIREAT', key, expires_at)
  end
end

-- Returns fields of a hash, read in chunks that fit on the stack.
local function read_fields(key, names)
  local values = {}
  for first = 1, #names, 500 do
    local last = math.min(first + 499, #names)
    local chunk = redis.call('HMGET', key, unpack(names, first, last))
    for i = 1, #chunk do
      values[first + i - 1] = chunk[i]
    end
  end
  return values
end

-- Encodes a message: its record, and its text unless it is deleted.
local function with_text(record, text)
  if text then
    return record .. '\n' .. text
  end
  return record
end

local function write_event(kind, seq, check, at, index, record, text)
  return table.concat({ kind, seq, check, at, index }, ':') .. '\n' .. with_text(record, text)
end

-- Removes at most `count` expired rooms from the list.
local function prune_rooms(by_age, by_expiry, at, count)
  local expired = redis.call('ZRANGEBYSCORE', by_expiry, '-inf', digits(at), 'LIMIT', 0, count)
  if #expired > 0 then
    redis.call('ZREM', by_age, unpack(expired))
    redis.call('ZREM', by_expiry, unpack(expired))
  end
end

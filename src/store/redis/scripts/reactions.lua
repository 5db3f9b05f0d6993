-- Reactions to a message. Its field `k` says how often they have changed, the room's number of changes after that, and the time
-- of the last log entry about them or 0. A field `e` for each emoji follows, with the count.
--
-- The sorted set `reactions` tells who has reacted. All scores are 0, and a member is the index of the message (6 bytes), the
-- user id, a line break, the emoji, a line break, and how often the user has added or removed it: an odd number if it is there
-- now. The sorted set `marks` has the indexes of marked messages, with the times at which their entries are due.

-- The members about a message, or about a user and a message, lie between these. Ids contain no line breaks and are UTF-8.
local function lex_range(prefix)
  return '[' .. prefix, '(' .. prefix .. '\255'
end

-- Returns how often the reactions of a message have changed, the time of the last log entry about them, and the emoji with
-- counts.
local function parse_reactions(message)
  local changes, _, last = string.match(message.reactions, '^k(%d+) (%d+) (%d+)\n')
  local counts = {}
  for count, emoji in string.gmatch(message.reactions, '\ne(%d+) ([^\n]+)') do
    counts[#counts + 1] = { emoji = emoji, count = tonumber(count) }
  end
  return tonumber(changes or 0), tonumber(last or 0), counts
end

local function encode_reactions(changes, room_changes, last, counts)
  local lines = { string.format('k%.0f %.0f %.0f\n', changes, room_changes, last) }
  for _, reaction in ipairs(counts) do
    lines[#lines + 1] = string.format('e%.0f %s\n', reaction.count, reaction.emoji)
  end
  return table.concat(lines)
end


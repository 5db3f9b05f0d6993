-- Counts a failure, unless its subject is locked out. KEYS: failures.
-- ARGV: failures until the first lockout, its length in ms, the longest length in ms, how long failures count in ms.

local failures = KEYS[1]
local free, first, longest, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local at = now()
local count, lockout_end = unpack(call('HMGET', failures, 'count', 'until'))
count, lockout_end = tonumber(count or 0), tonumber(lockout_end or 0)
-- No lockout is longer than the longest, even if the clock was set back.
if lockout_end - at > longest then
  lockout_end = at + longest
  call('HSET', failures, 'until', lockout_end)
end
if count >= free and at < lockout_end then
  return { 'locked_out', tostring(lockout_end - at) }
end
count, lockout_end = count + 1, 0
if count >= free then
  lockout_end = at + math.min(longest, first * 2 ^ (count - free))
end
call('HSET', failures, 'count', count, 'until', lockout_end)
call('PEXPIRE', failures, kept)
return { 'counted', tostring(lockout_end) }

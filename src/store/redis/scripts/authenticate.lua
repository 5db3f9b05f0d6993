-- Authenticates a user and rotates the token, or registers the user.
--
-- A user is a string: the hash of the current token (32 bytes), the hash of the previous one (32), the current one sealed under
-- it (16), '1' if the user is new or else '0', the time until which the user is kept (6), the name. Without a previous token
-- its bytes are 0. Newer versions put what else they know of the user under other keys: a line behind the name would cost every
-- send 2% more.

-- `tokens` is the start of a known user's string: hash of the next token, hash of the presented one, the next one sealed under
-- it, '0'. From `name_start` on, `names` holds the name to register the user with, or ''.
local function authenticate(user, tokens, keep_until, names, name_start)
  local record = call('GET', user)
  if not record then
    local name = string.sub(names, name_start)
    if name == '' then
      return 'unknown'
    end
    record = string.sub(tokens, 1, 80) .. '1' .. struct.pack('>I6', keep_until) .. name
    call('SET', user, record, 'PXAT', keep_until)
    return 'created', name
  end
  local presented = string.sub(tokens, 33, 64)
  local position = string.find(record, presented, 1, true)
  local outcome, sealed
  if position == 1 then
    outcome = 'rotated'
  elseif position == 33 and presented ~= string.rep('\0', 32) then
    outcome, tokens, sealed = 'repeated', string.sub(record, 1, 80) .. '0', string.sub(record, 65, 80)
  else
    return 'wrong_token'
  end
  -- From now on `forget_new_user` keeps the user, because it is authenticated again after its registration.
  local name = string.sub(record, 88)
  if tonumber(keep_until) > struct.unpack('>I6', record, 82) then
    call('SET', user, tokens .. struct.pack('>I6', keep_until) .. name, 'PXAT', keep_until)
  else
    call('SETRANGE', user, 0, tokens)
  end
  return outcome, name, sealed
end

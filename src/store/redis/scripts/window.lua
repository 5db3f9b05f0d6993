-- Resolves a window to a range, as `Window::range` does, for scripts that read the list's length in the same step.

local function resolve_window(count, window)
  local after, before, from, n = tonumber(window[1]), tonumber(window[2]), window[3], tonumber(window[4])
  local start = after and math.min(after + 1, count) or 0
  local past = before and math.max(start, math.min(before, count)) or count
  if from == 'first' then
    return start, math.min(past, start + n)
  end
  return math.max(start, past - n), past
end

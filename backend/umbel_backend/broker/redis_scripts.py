"""The Lua that reads lists on the server: only read commands, and bounded in rows and in bytes.

Without it a page of ten-megabyte messages would travel whole to show a few hundred bytes of each.
Where a server refuses scripts, `redis_queues` does with plain commands.
"""

from __future__ import annotations

PAGE = """
-- KEYS: list. ARGV: first index from the head, rows, longest whole entry, tail of longer ones,
-- bytes to look at. Answers size and text of each entry in running order.
-- Each LRANGE walks the way to the middle of a long list anew, so few should do; but no command
-- tells sizes beforehand. So a look at 20 entries decides whether 100 more may come at once.
local first, rows = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole, tail, budget = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local out, seen, at, step = {}, 0, first, 20
while at < first + rows and seen < budget do
  local n = math.min(step, first + rows - at)
  local part, largest = redis.call('LRANGE', KEYS[1], -(at + n), -(at + 1)), 0
  for i = #part, 1, -1 do
    local entry = part[i]
    seen, largest = seen + #entry, math.max(largest, #entry)
    out[#out + 1] = #entry
    out[#out + 1] = #entry <= whole and entry or string.sub(entry, -tail)
  end
  if #part < n then break end
  at, step = at + n, largest <= whole and 100 or 20
end
return out
"""

DEPTH = """
-- KEYS: the lists of one queue in serving order. Answers their lengths, then mark and ETA of the
-- entry that runs next, then the marks of the newest entries.
local function mark(entry)
  -- kombu writes the tag last; it is new for every message that is sent
  local last = string.sub(entry, -300)
  return string.match(last, '"delivery_tag": "([^"]+)"') or redis.sha1hex(last)
end
local lengths, newest, head, eta = {}, {}, '', ''
for i, key in ipairs(KEYS) do
  lengths[i] = redis.call('LLEN', key)
  local size = lengths[i] > 0 and redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', '5') or 0
  -- entries of megabytes would cost the server more to copy than an age is worth
  if lengths[i] > 0 and (type(size) ~= 'number' or size / lengths[i] < 1000000) then
    if head == '' then
      local entry = redis.call('LINDEX', key, -1)
      head = mark(entry)
      eta = string.match(string.sub(entry, -8192), '"eta": "([^"]*)"') or ''
    end
    newest[#newest + 1] = mark(redis.call('LINDEX', key, 0))
  end
end
return {lengths, head, eta, newest}
"""

ENTRIES = """
-- KEYS: hash. ARGV: longest whole value, tail of longer ones, fields. Answers size and text of each
-- value, size -1 where there is none.
local whole, tail, out = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for i = 3, #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value then
    out[#out + 1] = #value
    out[#out + 1] = #value <= whole and value or string.sub(value, -tail)
  else
    out[#out + 1] = -1
    out[#out + 1] = ''
  end
end
return out
"""

"""The Lua that reads lists on the server: only read commands, and bounded in rows and in bytes.

Without it a page of ten-megabyte messages would travel whole to show a few hundred bytes of each.
Where a server refuses scripts, `redis_queues` does with plain commands.
"""

from __future__ import annotations

PAGE = """
-- KEYS: the lists of one queue in serving order. ARGV: first position, rows, longest whole entry,
-- tail of longer ones, bytes to look at. Answers the lengths of the lists, then size and text of each
-- entry in running order.
-- Each LRANGE walks the way to the middle of a long list anew, which for one of a million takes as
-- long as all the rest: so one must do, unless entries are large, of which a look at 20 tells.
local first, rows = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole, tail, budget = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local lengths, out, seen = {}, {}, 0
for i, key in ipairs(KEYS) do
  local length = redis.call('LLEN', key)
  lengths[i] = length
  if first < length and rows > 0 and seen < budget then
    local size = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', '5')
    local step = (type(size) == 'number' and size / length < 4096) and 100 or 20
    local at, stop = first, math.min(length, first + rows)
    while at < stop and seen < budget do
      local n = math.min(step, stop - at)
      local part, largest = redis.call('LRANGE', key, -(at + n), -(at + 1)), 0
      for j = #part, 1, -1 do
        local entry = part[j]
        seen, largest = seen + #entry, math.max(largest, #entry)
        out[#out + 1] = #entry
        out[#out + 1] = #entry <= whole and entry or string.sub(entry, -tail)
      end
      if #part < n then break end
      at, step = at + n, largest <= whole and 100 or 20
    end
    rows = rows - (at - first)
  end
  first = math.max(0, first - length)
end
return {lengths, out}
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

-- rename-in-output: gives nodes other names where a job's output says on which node it was placed.
--
-- KEYS  1 output
-- ARGV  node id, new name, node id, new name, ...
-- Returns 1 if something changed
-- A stream takes no changes, so it is written anew, each entry at its position, to live as long as it would have.

local names = {}
for i = 1, #ARGV, 2 do names[ARGV[i]] = ARGV[i + 1] end

local entries = call('XRANGE', KEYS[1], '-', '+')
local changed = false
for _, entry in ipairs(entries) do
  local field, body = entry[2][1], entry[2][2]
  local event = field == 'event' and string.find(body, '"placed"', 1, true) and cjson.decode(body)
  if event and event.kind == 'placed' and names[event.node] and event.nodeName ~= names[event.node] then
    event.nodeName = names[event.node]
    entry[2][2] = cjson.encode(event)
    changed = true
  end
end
if not changed then return 0 end

local leftMs = call('PTTL', KEYS[1])
call('DEL', KEYS[1])
for _, entry in ipairs(entries) do call('XADD', KEYS[1], entry[1], entry[2][1], entry[2][2]) end
if leftMs > 0 then call('PEXPIRE', KEYS[1], leftMs) end
return 1

-- settle-absent: settles the holds that a node kept for attempts it does not run any more.
--
-- KEYS  1 zombies
-- ARGV  1 node  2 now  3.. `job|epoch` of each attempt that the node still speaks for
-- Returns how many were settled
-- Guards: a hold is settled once; one that the node names waits for the node's own word.
-- Charge: all of the hold. The agent that knew what was used is gone, and a token budget is never exceeded.

local node, now = ARGV[1], ARGV[2]
local named, settled = {}, 0
for i = 3, #ARGV do named[ARGV[i]] = true end

for _, entry in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
  local id, epoch = string.match(entry, '^([^|]*)|(%d+)$')
  local kept = not named[entry] and call('HGET', many.job .. id, 'zombie:' .. epoch)
  if kept and string.match(kept, '^[^|]*') == node and settleKeptHold(loadJob(id), epoch, nil, 'node-absent', now) then
    settled = settled + 1
  end
end
return settled

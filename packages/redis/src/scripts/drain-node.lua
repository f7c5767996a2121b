-- drain-node: writes down since when a node is drained, or that it no longer is, and wakes the scheduler.
--
-- KEYS  1 node
-- ARGV  1 now; empty: it takes jobs again
-- Returns 1, or 0 for an unknown node
-- Guards: draining it again keeps the first time, and wakes again: the first message may have been lost.

local id = call('HGET', KEYS[1], 'id')
if not id then return 0 end
if ARGV[1] == '' then
  call('HDEL', KEYS[1], 'drainedAt')
else
  call('HSETNX', KEYS[1], 'drainedAt', ARGV[1])
end
call('PUBLISH', one.wake, cjson.encode({ kind = 'node-drained', node = id }))
return 1

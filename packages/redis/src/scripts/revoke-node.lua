-- revoke-node: marks a node as revoked, frees its name and wakes the scheduler.
--
-- KEYS  1 node
-- ARGV  1 now
-- Returns 1, or 0 for an unknown node
-- Guards: revoking it again keeps the first time, and wakes again: the first message may have been lost.

local node = call('HMGET', KEYS[1], 'id', 'name', 'owner')
if not node[1] then return 0 end
call('HSETNX', KEYS[1], 'revokedAt', ARGV[1])
local names = many.nodeNames .. node[3]
if call('HGET', names, node[2]) == node[1] then call('HDEL', names, node[2]) end
call('PUBLISH', one.wake, cjson.encode({ kind = 'node-revoked', node = node[1] }))
return 1

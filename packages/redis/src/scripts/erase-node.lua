-- erase-node: takes a node's name from it. The caller has revoked it.
--
-- KEYS  1 node
-- ARGV  1 new name
-- Returns 1, or 0 for an unknown node

if call('EXISTS', KEYS[1]) == 0 then return 0 end
call('HSET', KEYS[1], 'name', ARGV[1])
return 1

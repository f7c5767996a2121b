-- campaign: takes or keeps the lead.
--
-- KEYS  1 leader
-- ARGV  1 candidate  2 address  3 time to live, ms
-- Returns {'leading', fence} | {'following', address of the leader}
-- Guards: the fence grows with every change of leader, also when a lapsed leader comes back.

local candidate = ARGV[1]
local leader = call('HMGET', KEYS[1], 'candidate', 'address')
if leader[1] and leader[1] ~= candidate then return { 'following', leader[2] } end
if not leader[1] then call('INCR', one.fence) end
call('HSET', KEYS[1], 'candidate', candidate, 'address', ARGV[2])
call('PEXPIRE', KEYS[1], ARGV[3])
return { 'leading', tonumber(call('GET', one.fence)) }

-- use-key: writes down when an API key was last used.
--
-- KEYS  1 key
-- ARGV  1 now  2 how old the use that is written down has to be, ms
-- Returns 1 if written
-- Guards: only a key that is there.

if call('EXISTS', KEYS[1]) == 0 then return 0 end
local last = call('HGET', KEYS[1], 'lastUsedAt')
if last and tonumber(ARGV[1]) - tonumber(last) < tonumber(ARGV[2]) then return 0 end
call('HSET', KEYS[1], 'lastUsedAt', ARGV[1])
return 1

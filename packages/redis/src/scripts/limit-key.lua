-- limit-key: lets an API key expire at a time, unless it does so earlier.
--
-- KEYS  1 key
-- ARGV  1 expires at
-- Returns 1, or 0 for an unknown key

if call('EXISTS', KEYS[1]) == 0 then return 0 end
local known = call('HGET', KEYS[1], 'expiresAt')
if not known or tonumber(ARGV[1]) < tonumber(known) then call('HSET', KEYS[1], 'expiresAt', ARGV[1]) end
return 1

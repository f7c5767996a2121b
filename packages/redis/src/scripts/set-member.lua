-- set-member: changes fields of a member, all or none.
--
-- KEYS  1 members
-- ARGV  1 member id  2 change (JSON)
-- Returns 'set' | 'unknown' | 'name-taken'
-- Guards: a name is one member's.

local text = call('HGET', KEYS[1], ARGV[1])
if not text then return 'unknown' end
local member, change = cjson.decode(text), cjson.decode(ARGV[2])
if change.name and change.name ~= member.name then
  if call('HSETNX', one.memberNames, change.name, ARGV[1]) == 0 then return 'name-taken' end
  call('HDEL', one.memberNames, member.name)
end
for field, value in pairs(change) do member[field] = value end
call('HSET', KEYS[1], ARGV[1], cjson.encode(member))
return 'set'

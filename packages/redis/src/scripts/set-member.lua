-- set-member: changes fields of a member, all or none.
--
-- KEYS  1 members
-- ARGV  1 member id  2 change (JSON)  3 its name, folded; empty for none
-- Returns 'set' | 'unknown' | 'name-taken'
-- Guards: a folded name is one member's.

local text = call('HGET', KEYS[1], ARGV[1])
if not text then return 'unknown' end
local member, change = cjson.decode(text), cjson.decode(ARGV[2])
if change.name and change.name ~= member.name then
  local owner = call('HGET', one.memberNames, ARGV[3])
  if owner and owner ~= ARGV[1] then return 'name-taken' end
  local names = call('HGETALL', one.memberNames)
  for i = 1, #names, 2 do
    if names[i + 1] == ARGV[1] then call('HDEL', one.memberNames, names[i]) end
  end
  call('HSET', one.memberNames, ARGV[3], ARGV[1])
end
for field, value in pairs(change) do member[field] = value end
call('HSET', KEYS[1], ARGV[1], cjson.encode(member))
return 'set'

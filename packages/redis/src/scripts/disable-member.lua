-- disable-member: marks a member as disabled. Disabling it again keeps the first time.
--
-- KEYS  1 members
-- ARGV  1 member id  2 now
-- Returns 'disabled' | 'unknown' | 'last-operator'
-- Guards: an operator who is not disabled remains.

local text = call('HGET', KEYS[1], ARGV[1])
if not text then return 'unknown' end
if call('HEXISTS', one.disabledMembers, ARGV[1]) == 1 then return 'disabled' end

local function anotherOperates()
  for _, other in ipairs(call('HVALS', KEYS[1])) do
    local member = cjson.decode(other)
    if member.role == 'operator' and member.id ~= ARGV[1] and call('HEXISTS', one.disabledMembers, member.id) == 0 then
      return true
    end
  end
  return false
end

if cjson.decode(text).role == 'operator' and not anotherOperates() then return 'last-operator' end
call('HSET', one.disabledMembers, ARGV[1], ARGV[2])
return 'disabled'

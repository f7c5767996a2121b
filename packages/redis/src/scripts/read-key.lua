-- read-key: a key and its member in one round trip.
--
-- KEYS  1 key
-- Returns {fields and values of the key, member (JSON), when it was disabled | nil} | false for an unknown key

local member = call('HGET', KEYS[1], 'member')
if not member then return false end
return { call('HGETALL', KEYS[1]), call('HGET', one.members, member),
  call('HGET', one.disabledMembers, member) }

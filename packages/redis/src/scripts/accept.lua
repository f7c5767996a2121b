-- accept: the agent took the assign; leased becomes running. Marks nothing dirty: to BullMQ both are active.
--
-- KEYS  1 job
-- ARGV  1 fence  2 epoch
-- Returns 'running' | 'stale' | 'fenced'
-- Guards: leader's fence; current epoch; leased, or running already.

if isFenced(ARGV[1]) then return 'fenced' end
local job = call('HMGET', KEYS[1], 'state', 'epoch')
if job[2] ~= ARGV[2] then return 'stale' end
if job[1] == 'leased' then
  call('HSET', KEYS[1], 'state', 'running')
elseif job[1] ~= 'running' then
  return 'stale'
end
return 'running'

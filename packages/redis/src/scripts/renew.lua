-- renew: extends the leases that still hold. Bounded by the caller to a few hundred a call.
--
-- KEYS  1 leases
-- ARGV  1 fence  2 lease until  then pairs: job id, epoch
-- Returns 'fenced' | {index of each pair that no longer holds, from 1}
-- Guards: leader's fence; current epoch of a live job.

if isFenced(ARGV[1]) then return 'fenced' end
local lost = {}
for i = 3, #ARGV, 2 do
  local key = many.job .. ARGV[i]
  local job = call('HMGET', key, 'state', 'epoch')
  if job[2] == ARGV[i + 1] and (job[1] == 'leased' or job[1] == 'running') then
    call('HSET', key, 'leaseUntil', ARGV[2])
    call('ZADD', KEYS[1], ARGV[2], ARGV[i])
  else
    lost[#lost + 1] = (i - 1) / 2
  end
end
return lost

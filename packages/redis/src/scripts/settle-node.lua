-- settle-node: settles the hold of a fenced-off epoch with what its node used, once.
--
-- KEYS  1 job
-- ARGV  1 job id  2 node  3 epoch  4 tokens used  5 now
-- Returns 'settled' | 'repeated' (nothing is kept for that epoch any more) | 'unknown'
-- Guards: the node held that epoch; its hold is still kept.

local job = loadJob(ARGV[1])
if not job or call('HGET', job.key, 'node:' .. ARGV[3]) ~= ARGV[2] then return 'unknown' end
return settleKeptHold(job, ARGV[3], tonumber(ARGV[4]), 'node-settled', ARGV[5]) and 'settled' or 'repeated'

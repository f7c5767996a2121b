-- cancel: ends a job wherever it is, and fences its attempt off.
--
-- KEYS  1 job
-- ARGV  1 job id  2 member, '' for whoever owns it  3 reason  4 now
-- Returns {'cancelled'} | {'cancelled', fenced epoch, node} | {'already-ended'} | {'not-found'}
-- Guards: the member's own job; not ended.

local job = loadJob(ARGV[1])
if not job or (ARGV[2] ~= '' and job.member ~= ARGV[2]) then return { 'not-found' } end
if hasEnded(job) then return { 'already-ended' } end
local fenced = cancelJob(job, ARGV[3], tonumber(ARGV[4]))
wakeForCancelled(job, fenced)
if fenced then return { 'cancelled', job.epoch, job.node } end
return { 'cancelled' }

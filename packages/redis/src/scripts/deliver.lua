-- deliver: removes what a member wrote and read of a job, because it was delivered.
--
-- KEYS  1 job
-- ARGV  1 job id
-- Returns 1, or 0 when the job has not ended or is unknown
-- Guards: a job that has ended. How it was placed stays for its own time.

local job = loadJob(ARGV[1])
if not job or not hasEnded(job) then return 0 end
call('DEL', many.out .. job.id)
call('HDEL', many.kept .. job.id, 'payload')
return 1

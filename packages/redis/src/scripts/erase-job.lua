-- erase-job: ends a job, and removes everything of it that a person wrote or read.
--
-- KEYS  1 job
-- ARGV  1 job id  2 member  3 spec without what points at a conversation (JSON), '' for a job that is gone  4 now
-- Returns 1 if the job was there
-- Guards: the member's own job. The record stays as long as it would have: holds of its attempts are settled by it.

call('ZREM', many.memberJobs .. ARGV[2], ARGV[1])
call('DEL', many.out .. ARGV[1], many.kept .. ARGV[1])
local job = loadJob(ARGV[1])
if not job or job.member ~= ARGV[2] then return 0 end
if not hasEnded(job) then
  wakeForCancelled(job, cancelJob(job, 'revoked', tonumber(ARGV[4])))
  call('DEL', many.out .. ARGV[1], many.kept .. ARGV[1])
end
call('HSET', KEYS[1], 'spec', ARGV[3], 'metadata', '{}', 'key', '')
if call('HEXISTS', KEYS[1], 'message') == 1 then call('HSET', KEYS[1], 'message', 'erased') end
return 1

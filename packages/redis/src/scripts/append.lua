-- append: keeps one frame of output of the current attempt and hands it to followers.
--
-- KEYS  1 job
-- ARGV  1 job id  2 fence  3 epoch  4 seq  5 tokens  6 bytes of the deltas as JSON  7 deltas (sealed)
-- Returns {'appended'} | {'duplicate'} | {'gap', expected seq} | {'stale'} | {'capped'} | {'fenced'}
-- Guards: leader's fence; current epoch of a live job; seq = last + 1; the job's byte cap. Output implies
--         that the node took the job, so leased becomes running here too.

if isFenced(ARGV[2]) then return { 'fenced' } end
local job = call('HMGET', KEYS[1], 'state', 'epoch', 'lastSeq', 'bytes')
if job[2] ~= ARGV[3] or (job[1] ~= 'leased' and job[1] ~= 'running') then return { 'stale' } end
local expected = tonumber(job[3]) + 1
local seq = tonumber(ARGV[4])
if seq < expected then return { 'duplicate' } end
if seq > expected then return { 'gap', expected } end
if tonumber(job[4]) + tonumber(ARGV[6]) > policy.outputBytesMax then return { 'capped' } end

call('HSET', KEYS[1], 'state', 'running', 'lastSeq', seq, 'bytes', tonumber(job[4]) + tonumber(ARGV[6]))
call('HINCRBY', KEYS[1], 'delivered', ARGV[5])
emit(ARGV[1], ARGV[3] .. '-' .. seq, 'sealed', ARGV[7])
return { 'appended' }

-- expire: ends an attempt; the job is queued again where the rules allow, else it fails.
--
-- KEYS  1 job
-- ARGV  1 job id  2 fence  3 epoch  4 failure class  5 message
--       6 prompt tokens, '' when what the attempt used is unknown  7 output tokens  8 '1' excludes the node
--       9 '1' counts as an attempt  10 not before  11 most attempts  12 now
-- Returns {'requeued', the job's hash as HGETALL gives it} | {'failed', charge} | {'stale'} | {'fenced'}
-- Guards: leader's fence; current epoch of a live job. Repeated: the same answer, nothing changes.
-- Rules: a job whose output somebody saw fails, as does one that is out of attempts; any other is queued
--        from scratch: its output so far is void and the member's hold stays. Unknown usage keeps the
--        node's hold until the node tells or it is overdue.

local id, epoch, now = ARGV[1], ARGV[3], ARGV[12]
local observed = ARGV[6] ~= '' and tonumber(ARGV[6]) + tonumber(ARGV[7]) or nil
if isFenced(ARGV[2]) then return { 'fenced' } end
local job = loadJob(id)
if not job then return { 'stale' } end
if job.epoch ~= tonumber(epoch) or not isLive(job) then
  if observed then settleKeptHold(job, epoch, observed, 'node-settled', now) end
  if job.epoch ~= tonumber(epoch) then return { 'stale' } end
  if job.state == 'queued' then return { 'requeued', call('HGETALL', job.key) } end
  if job.state == 'failed' then return { 'failed', tonumber(job.charged) } end
  return { 'stale' }
end

local attempts = job.attempts + (ARGV[9] == '1' and 1 or 0)
local shown = job.streamed == '1' and job.lastSeq > 0
local fails = shown or attempts >= tonumber(ARGV[11])
local charge = fails and chargeForFailure(job) or 0
local spent = observed and math.max(observed, charge)

if spent then settleNode(job.node, job.day, job.hold, spent) else keepNodeHold(job, tonumber(now)) end
local owner, credit = nil, 0
if fails then owner, credit = settleMember(job, charge) end
if spent or fails then
  enter(job, fails and 'failed' or 'retried', epoch, job.node, job.day, now,
    charge, 0 - (spent or 0), (spent or 0) - charge, 0, owner, credit)
end

if fails then
  local prompt = observed and tonumber(ARGV[6]) or 0
  local output = observed and tonumber(ARGV[7]) or job.delivered
  local usage = { promptTokens = prompt, outputTokens = output }
  local event = cjson.encode({ kind = 'failed', code = ARGV[4], message = ARGV[5], usage = usage })
  endJob(job, 'failed', charge, prompt, output, epoch .. '-' .. (job.lastSeq + 1), event, now,
    'attempts', attempts, 'promptTokens', prompt, 'outputTokens', output, 'code', ARGV[4], 'message', ARGV[5])
  return { 'failed', charge }
end

rollUp(job, nil, 0, 0, 0, stopClock(job, now))
local excluded = job.excluded
if ARGV[8] == '1' and not string.find(',' .. excluded .. ',', ',' .. job.node .. ',', 1, true) then
  excluded = excluded == '' and job.node or excluded .. ',' .. job.node
end
call('HSET', job.key, 'ver', nextVer(job, now), 'state', 'queued', 'notBefore', ARGV[10], 'attempts', attempts, 'excluded', excluded,
  'delivered', '0', 'bytes', '0', 'lastSeq', '0')
if job.lastSeq > 0 then call('HSET', job.key, 'restarted', '1') end
call('HDEL', job.key, 'node', 'nodeOwner', 'model', 'tier', 'day', 'leasedAt', 'shareAt', 'leaseUntil', 'leaseFence')
call('XTRIM', many.out .. id, 'MAXLEN', 0)
call('ZREM', one.leases, id)
enterPending(job)
return { 'requeued', call('HGETALL', job.key) }

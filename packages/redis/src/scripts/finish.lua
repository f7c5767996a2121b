-- finish: ends the job with its attempt and settles both holds, once.
--
-- KEYS  1 job
-- ARGV  1 job id  2 fence  3 epoch  4 'succeeded' | 'failed'  5 prompt tokens  6 output tokens  7 now
--       8 succeeded: finish reason; failed: code  9 succeeded: timings (JSON); failed: message
--       10 last output event (JSON)
-- Returns {'finished', charge} | {'repeated', charge} | {'stale'} | {'fenced'}
-- Guards: leader's fence; current epoch of a live job. Ended by this epoch already: the stored charge.
--         Anything else is stale: the member pays nothing, and a hold kept for that epoch is settled.
-- Charge: succeeded pays min(observed, hold), the co-op absorbs the rest; failed pays the output that
--         someone could see, the rest of what the node did is waste.

local id, epoch, state, now = ARGV[1], ARGV[3], ARGV[4], ARGV[7]
local observed = tonumber(ARGV[5]) + tonumber(ARGV[6])
if isFenced(ARGV[2]) then return { 'fenced' } end
local job = loadJob(id)
if not job then return { 'stale' } end
if job.epoch ~= tonumber(epoch) or not isLive(job) then
  settleKeptHold(job, epoch, observed, 'node-settled', now)
  local repeated = job.epoch == tonumber(epoch) and (job.state == 'succeeded' or job.state == 'failed')
  if repeated then return { 'repeated', tonumber(job.charged) } end
  return { 'stale' }
end

local succeeded = state == 'succeeded'
local charge = succeeded and math.min(observed, job.hold) or chargeForFailure(job)
local spent = math.max(observed, charge)
local owner, credit = settleMember(job, charge)
settleNode(job.node, job.day, job.hold, spent)
enter(job, state, epoch, job.node, job.day, now, charge, 0 - spent,
  succeeded and 0 or spent - charge, succeeded and spent - charge or 0, owner, credit)
endJob(job, state, charge, tonumber(ARGV[5]), tonumber(ARGV[6]), epoch .. '-' .. (job.lastSeq + 1), ARGV[10], now,
  'attempts', job.attempts + 1, 'promptTokens', ARGV[5], 'outputTokens', ARGV[6],
  succeeded and 'finishReason' or 'code', ARGV[8], succeeded and 'timings' or 'message', ARGV[9])
return { 'finished', charge }

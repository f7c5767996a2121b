-- What the scripts share. The loader puts before it `one` and `many` (key names, from keys.ts) and `policy`
-- (durations and bounds, from script.ts). Every amount is a whole number of tokens, every time a number of
-- milliseconds since the Unix epoch that the caller passes: no script reads a clock.
--
-- Invariants:
--   C1  Each change of a job's place in its life raises `ver` and marks the job dirty, so that the projector
--       moves BullMQ after it. Frames of output and extended leases change no place and mark nothing.
--   C2  A job is in `pending` iff queued, in `leases` iff leased or running, in `deadlines` iff not ended.
--   C3  The deltas of a ledger entry sum to zero.
--   C4  A hold is given back once: its record goes with it.

local call = redis.call

local function isFenced(fence)
  return fence ~= (call('GET', one.fence) or '0')
end

local FIELDS = {
  'state', 'epoch', 'ver', 'member', 'month', 'hold', 'prompt', 'attachment', 'streamed', 'privacy', 'submittedAt', 'deadline',
  'node', 'day', 'delivered', 'lastSeq', 'attempts', 'excluded',
  'charged', 'leaseFence', 'restarted',
}
local NUMBERS = { 'epoch', 'ver', 'hold', 'prompt', 'deadline', 'delivered', 'lastSeq', 'attempts' }

-- The job's fields, or nil for an unknown job.
local function loadJob(id)
  local key = many.job .. id
  local values = call('HMGET', key, unpack(FIELDS))
  if not values[1] then return nil end
  local job = { id = id, key = key }
  for i, name in ipairs(FIELDS) do job[name] = values[i] end
  for _, name in ipairs(NUMBERS) do job[name] = tonumber(job[name]) end
  return job
end

-- Whether an attempt of the job may be running now.
local function isLive(job)
  return job.state == 'leased' or job.state == 'running'
end

local function hasEnded(job)
  return not isLive(job) and job.state ~= 'queued'
end

-- Marks the job dirty; answers the `ver` that its change has to write (C1).
local function nextVer(job, now)
  call('ZADD', one.dirty, now, job.id)
  return job.ver + 1
end

local function enterPending(job)
  if call('ZADD', one.pending, job.submittedAt, job.id) == 1 then
    call('HINCRBY', one.pendingByMember, job.member, 1)
  end
end

local function leavePending(job)
  if call('ZREM', one.pending, job.id) == 1 and call('HINCRBY', one.pendingByMember, job.member, -1) <= 0 then
    call('HDEL', one.pendingByMember, job.member)
  end
end

-- Adds an entry to the job's output and tells followers. `field`: `event` (plain JSON) or `sealed` (deltas).
local function emit(id, position, field, body)
  call('XADD', many.out .. id, position, field, body)
  call('PUBLISH', one.output, id .. ' ' .. position .. ' ' .. field .. ' ' .. body)
end

-- One ledger entry (C3); unique by job, epoch and kind because each caller settles once.
local function enter(job, kind, epoch, node, day, now, member, nodeDelta, waste, absorbed)
  call('XADD', one.ledger, '*', 'kind', kind, 'job', job.id, 'epoch', epoch,
    'member', job.member, 'month', job.month, 'node', node or '', 'day', day or '', 'at', now,
    'toMember', member, 'toNode', nodeDelta, 'toWaste', waste, 'toAbsorbed', absorbed)
end

local function settleMember(job, charge)
  local account = many.account .. job.member .. ':' .. job.month
  call('HINCRBY', account, 'held', -job.hold)
  if charge ~= 0 then call('HINCRBY', account, 'used', charge) end
end

local function settleNode(node, day, hold, used)
  local account = many.nodeAccount .. node .. ':' .. day
  call('HINCRBY', account, 'held', -hold)
  if used ~= 0 then call('HINCRBY', account, 'used', used) end
end

-- Keeps the node's hold of the current epoch until the node says what it used, or it is overdue.
local function keepNodeHold(job, now)
  call('HSET', job.key, 'zombie:' .. job.epoch, job.node .. '|' .. job.day .. '|' .. job.hold)
  call('ZADD', one.zombies, math.max(job.deadline, now) + policy.zombieGraceMs, job.id .. '|' .. job.epoch)
end

-- Settles a kept node hold (C4), never beyond the hold; false when there is none. `used` nil: all of it.
local function settleKeptHold(job, epoch, used, kind, now)
  local kept = call('HGET', job.key, 'zombie:' .. epoch)
  if not kept then return false end
  local node, day, hold = string.match(kept, '^([^|]*)|([^|]*)|(%d+)$')
  hold = tonumber(hold)
  used = math.min(used or hold, hold)
  call('HDEL', job.key, 'zombie:' .. epoch)
  call('ZREM', one.zombies, job.id .. '|' .. epoch)
  settleNode(node, day, hold, used)
  enter(job, kind, epoch, node, day, now, 0, 0 - used, used, 0)
  return true
end

-- What the member pays for an attempt that ended badly: the output that someone could see.
local function chargeForFailure(job)
  return job.streamed == '1' and math.min(job.delivered, job.hold) or 0
end

-- Ends the job: fields of its end, last output entry, sets, retention. The caller settles the holds.
local function endJob(job, state, charge, position, event, now, ...)
  if isLive(job) then call('ZREM', one.leases, job.id) else leavePending(job) end
  call('ZREM', one.deadlines, job.id)
  if job.attachment == 'attached' then call('ZREM', one.followed, job.id) end
  emit(job.id, position, 'event', event)
  call('PEXPIRE', many.out .. job.id, policy.retentionMs)
  call('PEXPIRE', many.kept .. job.id, policy.retentionMs)
  call('HSET', job.key, 'ver', nextVer(job, now), 'state', state, 'charged', charge, 'finishedAt', now, ...)
  call('PEXPIRE', job.key, policy.jobKeptMs)
end

-- Ends a job wherever it is, fencing off its attempt: epoch + 1, the node's hold is kept, the member is
-- charged. `state`: `cancelled` or `expired`. Returns whether an attempt was fenced off.
local function stopJob(job, state, reason, charge, now)
  local fenced = isLive(job)
  if fenced then keepNodeHold(job, now) end
  settleMember(job, charge)
  enter(job, state, job.epoch, fenced and job.node, fenced and job.day, now, charge, 0, 0 - charge, 0)
  local prompt = job.state == 'running' and job.prompt or 0
  local usage = { promptTokens = prompt, outputTokens = job.delivered }
  local event = cjson.encode({ kind = state, reason = reason, usage = usage })
  endJob(job, state, charge, (job.epoch + 1) .. '-0', event, now, 'epoch', job.epoch + 1, 'reason', reason)
  return fenced
end

-- A cancelled job costs what was delivered and, once its node took it, the prompt.
local function cancelJob(job, reason, now)
  local prompt = job.state == 'running' and job.prompt or 0
  return stopJob(job, 'cancelled', reason, math.min(prompt + job.delivered, job.hold), now)
end

-- Tells the scheduler of a cancelled job, and of the attempt that was fenced off with it.
local function wakeForCancelled(job, fenced)
  call('PUBLISH', one.wake, cjson.encode({
    kind = 'cancelled', job = job.id, fenced = fenced and { epoch = job.epoch, node = job.node } or cjson.null,
  }))
end

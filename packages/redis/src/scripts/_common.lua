-- What the scripts share. A script gets of it what it uses, and for `one.x` and `many.x` (key names, from keys.ts)
-- and `policy.x` (durations, bounds, rates, and upper edges of the wait histogram, ms) what they stand for
-- (script-text.ts). Every amount is a whole number of tokens, every time a number of milliseconds since the Unix
-- epoch that the caller passes: no script reads a clock.
--
-- Invariants:
--   C1  Each change of a job's place in its life raises `ver` and marks the job dirty, so that the projector
--       moves BullMQ after it. Frames of output and extended leases change no place and mark nothing.
--   C2  A job is in `pending` iff queued, in `leases` iff leased or running, in `deadlines` iff not ended.
--   C3  The deltas of a ledger entry sum to zero.
--   C4  A hold is given back once: its record goes with it.
--   C5  `standing` counts a member's queued jobs and those that have not ended.
--   C6  A node's clock counts its leased and running jobs.

local call = redis.call

local function isFenced(fence)
  return fence ~= (call('GET', one.fence) or '0')
end

-- The month that a day is in.
local function monthOf(day)
  return string.sub(day, 1, 7)
end

-- What the ends of jobs and attempts need of a job, or nil for an unknown job.
local function loadJob(id)
  local key = many.job .. id
  local values = call('HMGET', key, 'state', 'epoch', 'ver', 'member', 'admittedOn', 'askedTier', 'hold', 'prompt',
    'attachment', 'streamed', 'submittedAt', 'deadline', 'node', 'nodeOwner', 'model', 'tier', 'day', 'leasedAt',
    'shareAt', 'delivered', 'lastSeq', 'attempts', 'excluded', 'charged')
  if not values[1] then return nil end
  return {
    id = id, key = key, month = monthOf(values[5]),
    state = values[1], epoch = tonumber(values[2]), ver = tonumber(values[3]), member = values[4], admittedOn = values[5],
    askedTier = values[6], hold = tonumber(values[7]), prompt = tonumber(values[8]), attachment = values[9],
    streamed = values[10], submittedAt = tonumber(values[11]), deadline = tonumber(values[12]), node = values[13],
    nodeOwner = values[14], model = values[15], tier = values[16], day = values[17], leasedAt = tonumber(values[18]),
    shareAt = tonumber(values[19]), delivered = tonumber(values[20]), lastSeq = tonumber(values[21]),
    attempts = tonumber(values[22]), excluded = values[23], charged = values[24],
  }
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
    call('HINCRBY', many.standing .. job.member, 'pending', 1)
  end
end

local function leavePending(job)
  if call('ZREM', one.pending, job.id) == 1 then call('HINCRBY', many.standing .. job.member, 'pending', -1) end
end

-- Adds an entry to the job's output and tells followers. `field`: `event` (plain JSON) or `sealed` (deltas).
local function emit(id, position, field, body)
  call('XADD', many.out .. id, position, field, body)
  call('PUBLISH', one.output, id .. ' ' .. position .. ' ' .. field .. ' ' .. body)
end

-- One ledger entry (C3), its parts in the order of ledger.ts; unique by job, epoch and kind because each caller
-- settles once. `credit` goes to the account of `owner`, from the co-op's grants.
local function enterAs(kind, of, epoch, member, month, node, day, now, owner, toMember, toNode, toWaste, toAbsorbed, credit)
  call('XADD', one.ledger, '*', 'entry', string.format('%s|%s|%s|%s|%s|%s|%s|%s|%s|%d|%d|%d|%d|%d|%d',
    kind, of, epoch, member, month, node or '', day or '', now, owner or '',
    toMember, toNode, toWaste, toAbsorbed, credit, 0 - credit))
end

local function enter(job, kind, epoch, node, day, now, toMember, toNode, toWaste, toAbsorbed, owner, credit)
  enterAs(kind, job.id, epoch, job.member, job.month, node, day, now, owner, toMember, toNode, toWaste, toAbsorbed, credit or 0)
end

-- Adds to what an account has used and holds, in all and of a part of it: a tier, a day.
local function settle(account, part, hold, used)
  local usedPart, heldPart = 'used:' .. part, 'held:' .. part
  local tokens = call('HMGET', account, 'used', 'held', usedPart, heldPart)
  call('HSET', account, 'used', (tokens[1] or 0) + used, 'held', (tokens[2] or 0) - hold,
    usedPart, (tokens[3] or 0) + used, heldPart, (tokens[4] or 0) - hold)
end

-- Turns the member's hold into a charge, and a part of it into credit for the owner of another's node. Returns the
-- owner and the credit, nil and 0 when nobody earned any, such as with a tier that has no rate (any more).
local function settleMember(job, charge)
  settle(many.account .. job.member .. ':' .. job.month, job.askedTier, job.hold, charge)
  if charge == 0 or not job.node or job.nodeOwner == job.member then return nil, 0 end
  local credit = math.floor(charge * (policy.creditPerMille[job.tier] or 0) / 1000)
  if credit == 0 then return nil, 0 end
  call('HINCRBY', many.account .. job.nodeOwner .. ':' .. job.month, 'credit', credit)
  return job.nodeOwner, credit
end

local function settleNode(node, day, hold, used)
  settle(many.nodeAccount .. node .. ':' .. monthOf(day), day, hold, used)
end

-- The node's clock, moved on to now: while k attempts are live, each has a k-th of the time (C6). Time that runs
-- backwards counts for nothing. Returns its key, what one attempt's share came to, microseconds, how many are
-- live, and now.
local function moveClock(node, now)
  local key = many.nodeClock .. node
  now = tonumber(now)
  local share, live, at = string.match(call('GET', key) or '', '^(%d+)|(%d+)|(%d+)$')
  if not share then return key, 0, 0, now end
  share, live, at = tonumber(share), tonumber(live), tonumber(at)
  if now > at then share = share + math.floor((now - at) * 1000 / live) end
  return key, share, live, math.max(at, now)
end

-- An attempt begins; returns what its job is to keep as `shareAt`.
local function startClock(node, now)
  local key, share, live, at = moveClock(node, now)
  call('SET', key, string.format('%d|%d|%d', share, live + 1, at))
  return share
end

-- The job's attempt is over; returns its share of the node's time, microseconds.
local function stopClock(job, now)
  local key, share, live, at = moveClock(job.node, now)
  if live > 1 then call('SET', key, string.format('%d|%d|%d', share, live - 1, at)) else call('DEL', key) end
  return share - job.shareAt
end

local COUNTS = '^(%d+),(%d+),(%d+),(%d+),(%d+),(%d+),(%d+),(%d+)$'

-- Counts as text, with more added to each.
local function increased(counts, succeeded, failed, cancelled, expired, prompt, output, charged, time)
  local succeededBefore, failedBefore, cancelledBefore, expiredBefore, promptBefore, outputBefore, chargedBefore, timeBefore =
    string.match(counts or '0,0,0,0,0,0,0,0', COUNTS)
  return string.format('%d,%d,%d,%d,%d,%d,%d,%d', succeededBefore + succeeded, failedBefore + failed,
    cancelledBefore + cancelled, expiredBefore + expired, promptBefore + prompt, outputBefore + output,
    chargedBefore + charged, timeBefore + time)
end

-- Whole milliseconds, as whoever reads a row rounds them.
local function toMs(us)
  return math.floor(us / 1000 + 0.5)
end

-- What the fields of a month's usage come to, by the names of its sums.
local function sumsOf(fields)
  local sums = {}
  local function add(name, counts)
    local sum = sums[name] or { 0, 0, 0, 0, 0, 0, 0, 0 }
    for i = 1, 8 do sum[i] = sum[i] + counts[i] end
    sums[name] = sum
  end
  local waits = {}
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if string.sub(name, 1, 4) == 'row|' then
      local counts = { string.match(value, COUNTS) }
      counts[8] = toMs(counts[8])
      add('day|' .. string.sub(name, 5, 14), counts)
      add('place' .. string.sub(name, 15), counts)
    else
      local wait = 'wait' .. string.sub(name, 16)
      waits[wait] = (waits[wait] or 0) + value
    end
  end
  for name, sum in pairs(sums) do sums[name] = table.concat(sum, ',') end
  for name, jobs in pairs(waits) do sums[name] = tostring(jobs) end
  return sums
end

-- Keeps the sums of a month that was rolled up before there were any. Those that are kept are whole.
local function keepSums(sums, usage)
  if call('EXISTS', sums) == 1 then return end
  for name, value in pairs(sumsOf(call('HGETALL', usage))) do call('HSET', sums, name, value) end
end

-- Rolls up what a job used, on the day it was admitted and where it is or was. `state` nil: it goes on or had
-- ended before. `nodeUs` nil: no attempt ended with it; otherwise, with a state, counts how long the job waited
-- for the attempt that ended it.
local function rollUp(job, state, prompt, output, charge, nodeUs)
  local of, place, bucket = job.member .. ':' .. job.month, '', ''
  if job.node then place = '|' .. job.node .. '|' .. job.tier .. '|' .. job.model end
  if state and nodeUs then
    local waited, waitEdges = job.leasedAt - job.submittedAt, policy.waitEdges
    bucket = 0
    while waitEdges[bucket + 1] and waited > waitEdges[bucket + 1] do bucket = bucket + 1 end
    bucket = '|' .. bucket
  end
  local usage, row, wait = many.usage .. of, 'row|' .. job.admittedOn .. place, 'wait|' .. job.admittedOn .. bucket
  local sums, daySum, placeSum, waitSum = many.usageSums .. of, 'day|' .. job.admittedOn, 'place' .. place, 'wait' .. bucket
  local summed = call('HMGET', sums, daySum, placeSum, waitSum)
  if not summed[1] then
    keepSums(sums, usage)
    summed = call('HMGET', sums, daySum, placeSum, waitSum)
  end
  local known = call('HMGET', usage, row, wait)
  local usBefore = tonumber(string.match(known[1] or '0', '%d+$'))
  local us = nodeUs or 0
  local ms = toMs(usBefore + us) - toMs(usBefore)
  local succeeded, failed = state == 'succeeded' and 1 or 0, state == 'failed' and 1 or 0
  local cancelled, expired = state == 'cancelled' and 1 or 0, state == 'expired' and 1 or 0
  local function more(counts, time)
    return increased(counts, succeeded, failed, cancelled, expired, prompt, output, charge, time)
  end
  if bucket ~= '' then
    call('HSET', usage, row, more(known[1], us), wait, (known[2] or 0) + 1)
    call('HSET', sums, daySum, more(summed[1], ms), placeSum, more(summed[2], ms), waitSum, (summed[3] or 0) + 1)
  else
    call('HSET', usage, row, more(known[1], us))
    call('HSET', sums, daySum, more(summed[1], ms), placeSum, more(summed[2], ms))
  end
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

-- Ends the job: fields of its end, last output entry, sets, usage, retention. The caller settles the holds.
local function endJob(job, state, charge, prompt, output, position, event, now, ...)
  local nodeUs
  if isLive(job) then
    call('ZREM', one.leases, job.id)
    nodeUs = stopClock(job, now)
  else
    leavePending(job)
  end
  rollUp(job, state, prompt, output, charge, nodeUs)
  call('HINCRBY', many.standing .. job.member, 'unfinished', -1)
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
  local owner, credit = settleMember(job, charge)
  enter(job, state, job.epoch, job.node, job.day, now, charge, 0, 0 - charge, 0, owner, credit)
  local prompt = job.state == 'running' and job.prompt or 0
  local usage = { promptTokens = prompt, outputTokens = job.delivered }
  local event = cjson.encode({ kind = state, reason = reason, usage = usage })
  endJob(job, state, charge, prompt, job.delivered, (job.epoch + 1) .. '-0', event, now, 'epoch', job.epoch + 1, 'reason', reason)
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

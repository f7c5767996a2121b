-- sweep: finds what time alone has ended, at most `policy.sweepMax` of each kind a call.
--
-- KEYS  1 leases
-- ARGV  1 fence  2 now  3 '1' during the amnesty
-- Returns 'fenced' | {unfollowed jobs, expired jobs, lapsed, fenced off, overdue holds}, where `lapsed` and
--         `fenced off` are flat lists of job, epoch, node
-- Guards: leader's fence; amnesty: nothing at all changes.
-- Does: expires jobs past their deadline; cancels attached jobs that nobody follows; lists lapsed leases and
--       leaves them as they are (the scheduler retries them); charges overdue node holds in full; takes
--       entries out of the sets whose job is gone or elsewhere in its life.

if isFenced(ARGV[1]) then return 'fenced' end
local now = tonumber(ARGV[2])
local unfollowed, expired, lapsed, fencedOff, overdue = {}, {}, {}, {}, 0
if ARGV[3] == '1' then return { unfollowed, expired, lapsed, fencedOff, overdue } end

local function due(set)
  return call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, policy.sweepMax)
end

local function note(list, job)
  list[#list + 1] = job.id
  list[#list + 1] = job.epoch
  list[#list + 1] = job.node
end

-- An entry without its place in life: out of the set, and BullMQ is to be looked at.
local function drop(set, id)
  call('ZREM', set, id)
  call('ZADD', one.dirty, now, id)
end

for _, id in ipairs(due(one.deadlines)) do
  local job = loadJob(id)
  if not job or hasEnded(job) then
    drop(one.deadlines, id)
  else
    if stopJob(job, 'expired', 'deadline', chargeForFailure(job), now) then note(fencedOff, job) end
    expired[#expired + 1] = id
  end
end

for _, id in ipairs(due(one.followed)) do
  local job = loadJob(id)
  if not job or hasEnded(job) then
    drop(one.followed, id)
  else
    if cancelJob(job, 'unfollowed', now) then note(fencedOff, job) end
    unfollowed[#unfollowed + 1] = id
  end
end

for _, id in ipairs(due(KEYS[1])) do
  local job = loadJob(id)
  if job and isLive(job) then note(lapsed, job) else drop(KEYS[1], id) end
end

for _, entry in ipairs(due(one.zombies)) do
  local id, epoch = string.match(entry, '^([^|]*)|(%d+)$')
  local job = loadJob(id)
  if job and settleKeptHold(job, epoch, nil, 'node-overdue', now) then
    overdue = overdue + 1
  else
    call('ZREM', one.zombies, entry)
  end
end

for _, id in ipairs(call('ZRANGE', one.pending, 0, policy.sweepMax - 1)) do
  local job = loadJob(id)
  if not job then
    drop(one.pending, id)
  elseif job.state ~= 'queued' then
    leavePending(job)
    call('ZADD', one.dirty, now, id)
  end
end

return { unfollowed, expired, lapsed, fencedOff, overdue }

-- read-mirror: what the truth says of jobs, and where BullMQ has each.
--
-- KEYS  1 dirty
-- ARGV  1 prefix of BullMQ's keys, such as `{coop}:jobs:`
--       2 how many of the oldest dirty jobs to read; when 0, the jobs named by the rest
-- Returns a JSON array, which is read many times faster than as many replies, with per job
--         [id, ver, state, notBefore, end, queue state, spec, rank]; ver to end are '' for no hash, `end` is the code or
--         reason of an unsuccessful end, spec is '' unless the job may have to wait in BullMQ next, rank is how many
--         jobs BullMQ gives out before a waiting one, '' where it is in no such order
-- Reads only. BullMQ's lists and sets are read as its own getState does, where it has the job at all. The oldest
-- active job is last in its list, and the most likely to have ended.

local bull = ARGV[1]

local function queueState(id)
  if call('EXISTS', bull .. id) == 0 then return 'absent' end
  local rank = call('ZRANK', bull .. 'prioritized', id)
  if rank then return 'waiting', rank end
  if call('LPOS', bull .. 'active', id, 'RANK', '-1') then return 'active' end
  if call('ZSCORE', bull .. 'completed', id) then return 'completed' end
  if call('ZSCORE', bull .. 'failed', id) then return 'failed' end
  if call('ZSCORE', bull .. 'delayed', id) then return 'delayed' end
  if call('LPOS', bull .. 'wait', id) or call('LPOS', bull .. 'paused', id) then return 'waiting' end
  return 'absent'
end

local ids
if ARGV[2] == '0' then
  ids = {}
  for i = 3, #ARGV do ids[#ids + 1] = ARGV[i] end
else
  ids = call('ZRANGE', KEYS[1], 0, tonumber(ARGV[2]) - 1)
end

local jobs = {}
for i, id in ipairs(ids) do
  local key = many.job .. id
  local fields = call('HMGET', key, 'ver', 'state', 'notBefore', 'code', 'reason')
  local queue, rank = queueState(id)
  local mayWait = queue == 'absent' or (queue == 'active' and fields[2] == 'queued')
  local spec = mayWait and call('HGET', key, 'spec')
  jobs[i] = {
    id, fields[1] or '', fields[2] or '', fields[3] or '', fields[4] or fields[5] or '', queue, spec or '',
    rank or '',
  }
end
return #jobs == 0 and '[]' or cjson.encode(jobs)

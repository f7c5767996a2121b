-- admit: accepts a job, holding its tokens against the member's quota, and queues it.
--
-- KEYS  1 job
-- ARGV  1 job id  2 member  3 month  4 hold  5 prompt estimate  6 attachment  7 privacy  8 submittedAt
--       9 deadline  10 now  11 spec (JSON)  12 metadata (JSON)  13 payload (sealed)
--       14 quota, '' for none  15 cap on the member's pending jobs  16 cap on all pending jobs
--       17 followed until, '' when detached  18 idempotency key, '' for none  19 hash of the body
--       20 '1' when somebody sees output as it comes  21 API key, '' for none
-- Returns {'admitted'} | {'duplicate', job} | {'idempotency-conflict', job}
--       | {'quota-exceeded', used, held} | {'too-many-pending', 'member' | 'co-op'} | {'revoked'}
-- Guards: a known job id answers `admitted` and changes nothing; once a key is revoked or its member disabled,
--         nothing else comes in with it; a known idempotency key answers its job.

local id, member, month, hold = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local now = ARGV[10]
local job = { id = id, key = KEYS[1], member = member, submittedAt = ARGV[8], ver = 0 }

if call('EXISTS', job.key) == 1 then return { 'admitted' } end

if ARGV[21] ~= '' and
  (call('HEXISTS', many.apiKey .. ARGV[21], 'revokedAt') == 1 or call('HEXISTS', one.disabledMembers, member) == 1) then
  return { 'revoked' }
end

local idempotency = ARGV[18] ~= '' and many.idempotency .. member .. ':' .. ARGV[18]
if idempotency then
  local known = call('HMGET', idempotency, 'job', 'bodyHash', 'until')
  if known[1] and tonumber(known[3]) > tonumber(now) then
    return { known[2] == ARGV[19] and 'duplicate' or 'idempotency-conflict', known[1] }
  end
end

if tonumber(call('HGET', one.pendingByMember, member) or 0) >= tonumber(ARGV[15]) then
  return { 'too-many-pending', 'member' }
end
if call('ZCARD', one.pending) >= tonumber(ARGV[16]) then return { 'too-many-pending', 'co-op' } end

local account = many.account .. member .. ':' .. month
if ARGV[14] ~= '' then
  local tokens = call('HMGET', account, 'used', 'held')
  local used, held = tonumber(tokens[1] or 0), tonumber(tokens[2] or 0)
  if used + held + hold > tonumber(ARGV[14]) then return { 'quota-exceeded', used, held } end
end

call('HINCRBY', account, 'held', hold)
call('HSET', job.key,
  'state', 'queued', 'epoch', 0, 'ver', nextVer(job, now), 'member', member, 'month', month, 'hold', hold, 'prompt', ARGV[5],
  'attachment', ARGV[6], 'streamed', ARGV[20], 'privacy', ARGV[7], 'submittedAt', ARGV[8], 'deadline', ARGV[9], 'notBefore', ARGV[8],
  'attempts', 0, 'excluded', '', 'delivered', 0, 'bytes', 0, 'lastSeq', 0, 'spec', ARGV[11], 'metadata', ARGV[12], 'key', ARGV[21])
call('HSET', many.kept .. id, 'payload', ARGV[13])
call('ZADD', one.deadlines, ARGV[9], id)
if ARGV[17] ~= '' then call('ZADD', one.followed, ARGV[17], id) end
if idempotency then
  local knownMs = math.max(policy.idempotencyMs, tonumber(ARGV[9]) - tonumber(now))
  call('HSET', idempotency, 'job', id, 'bodyHash', ARGV[19], 'until', tonumber(now) + knownMs)
  call('PEXPIRE', idempotency, knownMs)
end

-- The member's list forgets its oldest job, once its hash has expired, for each one that comes.
local list = many.memberJobs .. member
call('ZADD', list, 0, id)
local oldest = call('ZRANGE', list, 0, 0)[1]
if call('EXISTS', many.job .. oldest) == 0 then call('ZREM', list, oldest) end

enterPending(job)
call('PUBLISH', one.wake, '{"kind":"admitted","spec":' .. ARGV[11] .. '}')
return { 'admitted' }

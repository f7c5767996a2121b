-- admit: accepts a job, holding its tokens against the member's quota, and queues it.
--
-- KEYS  1 job
-- ARGV  1 job id  2 member  3 day  4 hold  5 prompt estimate  6 attachment  7 privacy  8 submittedAt
--       9 deadline  10 now  11 spec (JSON)  12 metadata (JSON)  13 payload (sealed)
--       14 cap on the member's pending jobs  15 cap on all pending jobs
--       16 followed until, '' when detached  17 idempotency key, '' for none  18 hash of the body
--       19 '1' when somebody sees output as it comes  20 API key, '' for none  21 tier asked for
--       limits, each '' for none: 22 tokens of the month  23 tokens of the month for the tier
--       24 unfinished jobs  25 requests in a minute
-- Returns {'duplicate', job} | {'idempotency-conflict', job} | {'too-many-pending', 'member' | 'co-op'} | {'revoked'}
--       | {kind, used, held, credit, requests of this minute, the tier's used, the tier's held, unfinished jobs}
--         where kind is 'admitted' | 'quota-exceeded' | 'tier-quota-exceeded' | 'too-many-at-once' | 'too-many-requests'
-- Guards: a known job id answers `admitted` and changes nothing; once a key is revoked or its member disabled,
--         nothing else comes in with it; a known idempotency key answers its job. All that come so far count for
--         the minute, unless it is used up. used + held <= limit + credit, and of a tier <= its limit.

local id, member, hold, tier = ARGV[1], ARGV[2], tonumber(ARGV[4]), ARGV[21]
local now = ARGV[10]
local job = { id = id, key = KEYS[1], member = member, submittedAt = ARGV[8], ver = 0 }

local account = many.account .. member .. ':' .. monthOf(ARGV[3])
local usedTier, heldTier = 'used:' .. tier, 'held:' .. tier
local tokens = call('HMGET', account, 'used', 'held', 'credit', usedTier, heldTier)
for i = 1, 5 do tokens[i] = tonumber(tokens[i] or 0) end
local used, held, credit = tokens[1], tokens[2], tokens[3]

local standing = many.standing .. member
local counts = call('HMGET', standing, 'pending', 'unfinished', 'minute', 'requests')
local pending, unfinished = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
local minute = math.floor(tonumber(now) / 60000)
local requests = tonumber(counts[3] or 0) == minute and tonumber(counts[4]) or 0

local function answer(kind)
  return { kind, used, held, credit, requests, tokens[4], tokens[5], unfinished }
end

if call('EXISTS', job.key) == 1 then return answer('admitted') end

if ARGV[20] ~= '' and
  (call('HEXISTS', many.apiKey .. ARGV[20], 'revokedAt') == 1 or call('HEXISTS', one.disabledMembers, member) == 1) then
  return { 'revoked' }
end

local idempotency = ARGV[17] ~= '' and many.idempotency .. member .. ':' .. ARGV[17]
if idempotency then
  local known = call('HMGET', idempotency, 'job', 'bodyHash', 'until')
  if known[1] and tonumber(known[3]) > tonumber(now) then
    return { known[2] == ARGV[18] and 'duplicate' or 'idempotency-conflict', known[1] }
  end
end

local function isBeyond(amount, limit)
  return limit ~= '' and amount > tonumber(limit)
end

if isBeyond(requests + 1, ARGV[25]) then return answer('too-many-requests') end
requests = requests + 1

local function refused(reply)
  call('HSET', standing, 'minute', minute, 'requests', requests)
  return reply
end

if pending >= tonumber(ARGV[14]) then return refused({ 'too-many-pending', 'member' }) end
if call('ZCARD', one.pending) >= tonumber(ARGV[15]) then return refused({ 'too-many-pending', 'co-op' }) end
if isBeyond(unfinished + 1, ARGV[24]) then return refused(answer('too-many-at-once')) end
if isBeyond(tokens[4] + tokens[5] + hold, ARGV[23]) then return refused(answer('tier-quota-exceeded')) end
if isBeyond(used + held + hold - credit, ARGV[22]) then return refused(answer('quota-exceeded')) end

held, tokens[5], unfinished = held + hold, tokens[5] + hold, unfinished + 1
call('HSET', account, 'held', held, heldTier, tokens[5])
call('HSET', standing, 'pending', pending + 1, 'unfinished', unfinished, 'minute', minute, 'requests', requests)
call('HSET', job.key,
  'state', 'queued', 'epoch', '0', 'ver', nextVer(job, now), 'member', member, 'admittedOn', ARGV[3], 'askedTier', tier,
  'hold', ARGV[4], 'prompt', ARGV[5], 'attachment', ARGV[6], 'streamed', ARGV[19], 'privacy', ARGV[7], 'submittedAt', ARGV[8],
  'deadline', ARGV[9], 'notBefore', ARGV[8], 'attempts', '0', 'excluded', '', 'delivered', '0', 'bytes', '0', 'lastSeq', '0',
  'spec', ARGV[11], 'metadata', ARGV[12], 'key', ARGV[20])
call('HSET', many.kept .. id, 'payload', ARGV[13])
call('ZADD', one.deadlines, ARGV[9], id)
call('ZADD', one.pending, job.submittedAt, id)
if ARGV[16] ~= '' then call('ZADD', one.followed, ARGV[16], id) end
if idempotency then
  local knownMs = math.max(policy.idempotencyMs, tonumber(ARGV[9]) - tonumber(now))
  call('HSET', idempotency, 'job', id, 'bodyHash', ARGV[18], 'until', tonumber(now) + knownMs)
  call('PEXPIRE', idempotency, knownMs)
end

-- The member's list forgets its oldest job, once its hash has expired, for each one that comes.
local list = many.memberJobs .. member
call('ZADD', list, '0', id)
local oldest = call('ZRANGE', list, '0', '0')[1]
if call('EXISTS', many.job .. oldest) == 0 then call('ZREM', list, oldest) end

call('PUBLISH', one.wake, '{"kind":"admitted","spec":' .. ARGV[11] .. '}')
return answer('admitted')

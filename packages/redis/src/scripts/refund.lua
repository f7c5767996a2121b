-- refund: gives a member back what an ended job cost; the co-op's waste bears it.
--
-- KEYS  1 job
-- ARGV  1 job id  2 now
-- Returns {'refunded', tokens} | {'repeated'} | {'not-ended'} | {'not-found'}
-- Guards: ended; once. What its node's owner earned with it stays.

local job = loadJob(ARGV[1])
if not job then return { 'not-found' } end
if not hasEnded(job) then return { 'not-ended' } end
if call('HSETNX', job.key, 'refundedAt', ARGV[2]) == 0 then return { 'repeated' } end

local tokens = tonumber(job.charged)
settle(many.account .. job.member .. ':' .. job.month, job.askedTier, 0, 0 - tokens)
rollUp(job, nil, 0, 0, 0 - tokens)
enter(job, 'refunded', job.epoch, nil, nil, ARGV[2], 0 - tokens, 0, tokens, 0)
return { 'refunded', tokens }

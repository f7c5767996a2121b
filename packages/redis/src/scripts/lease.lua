-- lease: gives a queued job to a node as its next epoch, holding its tokens against the node's budget.
--
-- KEYS  1 job
-- ARGV  1 job id  2 fence  3 node  4 node's owner  5 model  6 tier  7 '1' when served by a cloud
--       8 token budget of the day, '' for none  9 day  10 lease until  11 now  12 placement (JSON)
--       13 node's name  14 token budget of the day's month, '' for none
-- Returns {'leased', epoch, payload (sealed) | nil} | {'not-queued'} | {'refused', 'privacy' | 'budget'}
--       | {'fenced'}
-- Guards: leader's fence; queued; privacy and budget checked again here, where nothing can come between.
--         The same request again, before the node accepted, answers the same epoch and changes nothing.

local id, fence, node = ARGV[1], ARGV[2], ARGV[3]
if isFenced(fence) then return { 'fenced' } end
local key, kept = KEYS[1], many.kept .. id
local state, epoch, ver, member, hold, privacy, heldBy, leaseFence, restarted = unpack(call('HMGET', key,
  'state', 'epoch', 'ver', 'member', 'hold', 'privacy', 'node', 'leaseFence', 'restarted'))
if state == 'leased' and heldBy == node and leaseFence == fence then
  return { 'leased', tonumber(epoch), call('HGET', kept, 'payload') }
end
if state ~= 'queued' then return { 'not-queued' } end

if privacy == 'own' and member ~= ARGV[4] then return { 'refused', 'privacy' } end
if privacy ~= 'any' and ARGV[7] == '1' then return { 'refused', 'privacy' } end

local day = ARGV[9]
local account = many.nodeAccount .. node .. ':' .. monthOf(day)
local tokens = call('HMGET', account, 'used', 'held', 'used:' .. day, 'held:' .. day)
local function isBeyond(used, held, budget)
  return budget ~= '' and (used or 0) + (held or 0) + hold > tonumber(budget)
end
if isBeyond(tokens[3], tokens[4], ARGV[8]) or isBeyond(tokens[1], tokens[2], ARGV[14]) then return { 'refused', 'budget' } end

epoch = epoch + 1
local job = { id = id, member = member, ver = tonumber(ver) }
call('HSET', account, 'held', (tokens[2] or 0) + hold, 'held:' .. day, (tokens[4] or 0) + hold)
if not tokens[2] then call('PEXPIRE', account, policy.nodeAccountKeptMs) end
call('HSET', key,
  'ver', nextVer(job, ARGV[11]), 'state', 'leased', 'epoch', epoch, 'node', node, 'nodeOwner', ARGV[4], 'model', ARGV[5],
  'tier', ARGV[6], 'day', day, 'leasedAt', ARGV[11], 'shareAt', startClock(node, ARGV[11]),
  'leaseUntil', ARGV[10], 'leaseFence', fence, 'delivered', '0', 'bytes', '0', 'lastSeq', '0', 'node:' .. epoch, node)
call('HSET', kept, 'placement', ARGV[12])
leavePending(job)
call('ZADD', one.leases, ARGV[10], id)
emit(id, epoch .. '-0', 'event', cjson.encode({
  kind = 'placed', node = node, nodeName = ARGV[13], model = ARGV[5], tier = ARGV[6], restarted = restarted == '1',
}))
return { 'leased', epoch, call('HGET', kept, 'payload') }

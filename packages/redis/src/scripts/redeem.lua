-- redeem: spends a join token and registers the node for the token's member.
--
-- KEYS  1 join token
-- ARGV  1 digest  2 node id  3 wanted name  4 public key  5 now
-- Returns {'joined', name, member} | {'unknown'} | {'used'} | {'expired'}
-- Guards: one node a token. A name that a node of the member bears gets the first free number behind it.

local token = call('HMGET', KEYS[1], 'digest', 'member', 'expiresAt', 'usedAt')
if not token[1] or token[1] ~= ARGV[1] then return { 'unknown' } end
if token[4] then return { 'used' } end
if tonumber(ARGV[5]) >= tonumber(token[3]) then return { 'expired' } end
call('HSET', KEYS[1], 'usedAt', ARGV[5])

local owner, name, number = token[2], ARGV[3], 1
local names = many.nodeNames .. owner
while call('HEXISTS', names, name) == 1 do
  number = number + 1
  name = ARGV[3] .. '-' .. number
end
call('HSET', names, name, ARGV[2])
call('SADD', one.nodes, ARGV[2])
call('HSET', many.node .. ARGV[2], 'id', ARGV[2], 'name', name, 'owner', owner, 'publicKey', ARGV[4],
  'joinedAt', ARGV[5])
return { 'joined', name, owner }

-- sum-ledger: what lines of the ledger come to, and what accounts say at the same moment. Reads only.
--
-- KEYS  1 ledger
-- ARGV  1 start of the range, as XRANGE has it  2 most lines, '' for all  3.. keys of accounts
-- Returns {lines, position of the last or '', members, nodes, unbalanced, accounts}, flat lists of: member, month,
--         used, credit | node, day, used | position, job or what was granted, sum | HGETALL of each account

local lines = ARGV[2] == '' and call('XRANGE', KEYS[1], ARGV[1], '+') or call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local used, credit, nodes, unbalanced = {}, {}, {}, {}
local PARTS = '^[^|]*' .. string.rep('|([^|]*)', 14) .. '$'

for _, line in ipairs(lines) do
  local of, _, member, month, node, day, _, owner, toMember, toNode, toWaste, toAbsorbed, toCredit, toGrant =
    string.match(line[2][2], PARTS)
  local account = member .. '|' .. month
  used[account] = (used[account] or 0) + toMember
  if owner ~= '' then
    account = owner .. '|' .. month
    credit[account] = (credit[account] or 0) + toCredit
  end
  if node ~= '' then
    account = node .. '|' .. day
    nodes[account] = (nodes[account] or 0) - toNode
  end
  local sum = toMember + toNode + toWaste + toAbsorbed + toCredit + toGrant
  if sum ~= 0 then
    local at = #unbalanced
    unbalanced[at + 1], unbalanced[at + 2], unbalanced[at + 3] = line[1], of, sum
  end
end

local members, ofNodes, accounts = {}, {}, {}
local function note(list, account, ...)
  local owner, period = string.match(account, '^([^|]*)|(.*)$')
  for _, value in ipairs({ owner, period, ... }) do list[#list + 1] = value end
end
for account in pairs(credit) do used[account] = used[account] or 0 end
for account, tokens in pairs(used) do note(members, account, tokens, credit[account] or 0) end
for account, tokens in pairs(nodes) do note(ofNodes, account, tokens) end
for i = 3, #ARGV do accounts[i - 2] = call('HGETALL', ARGV[i]) end

return { #lines, #lines > 0 and lines[#lines][1] or '', members, ofNodes, unbalanced, accounts }

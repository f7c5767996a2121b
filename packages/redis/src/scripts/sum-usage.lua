-- sum-usage: what members' accounts of a month say, and what the usage rolled up for them comes to. Reads only.
--
-- KEYS  1 a member's account of a month
-- ARGV  pairs of such an account's key and that of the same member's usage of the month
-- Returns used and charged of each pair

local sums = {}
for i = 1, #ARGV, 2 do
  local charged, fields = 0, call('HGETALL', ARGV[i + 1])
  for field = 1, #fields, 2 do
    local tokens = string.sub(fields[field], 1, 4) == 'row|'
      and string.match(fields[field + 1], '^%d+,%d+,%d+,%d+,%d+,%d+,(%d+),')
    if tokens then charged = charged + tokens end
  end
  sums[i], sums[i + 1] = tonumber(call('HGET', ARGV[i], 'used') or 0), charged
end
return sums

-- sum-usage: what members' accounts of a month say, and what the usage rolled up for them comes to. Reads only.
--
-- KEYS  1 a member's account of a month
-- ARGV  triples of such an account's key and those of the same member's usage of the month and its sums
-- Returns used, charged, and how many of the sums are not what the usage comes to, of each triple; sums that are not
--         kept yet are not wrong

local results = {}
for i = 1, #ARGV, 3 do
  local expected, kept = sumsOf(call('HGETALL', ARGV[i + 1])), call('HGETALL', ARGV[i + 2])
  local charged, wrong = 0, 0
  for name, value in pairs(expected) do
    if string.sub(name, 1, 4) == 'day|' then charged = charged + string.match(value, '(%d+),%d+$') end
  end
  if #kept > 0 then
    for field = 1, #kept, 2 do
      if expected[kept[field]] ~= kept[field + 1] then wrong = wrong + 1 end
      expected[kept[field]] = nil
    end
    for _ in pairs(expected) do wrong = wrong + 1 end
  end
  results[i], results[i + 1], results[i + 2] = tonumber(call('HGET', ARGV[i], 'used') or 0), charged, wrong
end
return results

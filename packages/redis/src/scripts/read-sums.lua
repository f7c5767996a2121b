-- read-sums: the sums of members' usage of a month, each as one text, which is read many times faster than as many
-- replies. Keeps those of a month that has none yet.
--
-- KEYS  1 a member's sums of a month
-- ARGV  pairs of such a key and that of the same member's usage of the month
-- Returns for each pair fields and values in turn, a JSON array

local texts = {}
for i = 1, #ARGV, 2 do
  keepSums(ARGV[i], ARGV[i + 1])
  local fields = call('HGETALL', ARGV[i])
  texts[#texts + 1] = #fields == 0 and '[]' or cjson.encode(fields)
end
return texts

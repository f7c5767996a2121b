-- clear-dirty: takes the mark off jobs that BullMQ mirrors, unless they changed meanwhile.
--
-- KEYS  1 dirty
-- ARGV  pairs of job id and the ver that was mirrored ('' for no hash)
-- Returns how many marks went

local cleared = 0
for i = 1, #ARGV, 2 do
  if (call('HGET', many.job .. ARGV[i], 'ver') or '') == ARGV[i + 1] then
    cleared = cleared + call('ZREM', KEYS[1], ARGV[i])
  end
end
return cleared

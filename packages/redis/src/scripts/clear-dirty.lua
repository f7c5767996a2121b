-- clear-dirty: takes the mark off jobs that BullMQ mirrors, unless they changed meanwhile.
--
-- KEYS  1 dirty
-- ARGV  pairs of job id and the ver that was mirrored ('' for no hash), as many as a round of the projector has
-- Returns how many marks went

local mirrored = {}
for i = 1, #ARGV, 2 do
  if (call('HGET', many.job .. ARGV[i], 'ver') or '') == ARGV[i + 1] then mirrored[#mirrored + 1] = ARGV[i] end
end
return #mirrored > 0 and call('ZREM', KEYS[1], unpack(mirrored)) or 0

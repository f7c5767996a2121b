-- resign: gives the lead up, if the candidate has it.
--
-- KEYS  1 leader
-- ARGV  1 candidate
-- Returns 1 if it had the lead, else 0

if call('HGET', KEYS[1], 'candidate') ~= ARGV[1] then return 0 end
return call('DEL', KEYS[1])

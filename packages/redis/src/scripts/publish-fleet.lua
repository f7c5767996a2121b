-- publish-fleet: replaces the fleet snapshot.
--
-- KEYS  1 fleet
-- ARGV  1 fence  2 snapshot (JSON)
-- Returns 1, or 0 for a leader of the past, which changes nothing

if isFenced(ARGV[1]) then return 0 end
call('SET', KEYS[1], ARGV[2])
return 1

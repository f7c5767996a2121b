-- grant: adds credit to a member's month, or below zero takes it back.
--
-- KEYS  1 the member's account of the month
-- ARGV  1 id of the grant  2 member  3 month  4 tokens  5 now
-- Returns 'granted' | 'repeated'
-- Guards: once for each id.

if call('HSETNX', one.grants, ARGV[1], ARGV[5]) == 0 then return 'repeated' end
call('HINCRBY', KEYS[1], 'credit', ARGV[4])
enterAs('granted', ARGV[1], 0, ARGV[2], ARGV[3], nil, nil, ARGV[5], ARGV[2], 0, 0, 0, 0, tonumber(ARGV[4]))
return 'granted'

-- add-member: registers a member whose id and name are both free.
--
-- KEYS  1 members
-- ARGV  1 member id  2 name, folded  3 member (JSON)
-- Returns 1 if added, else 0

if call('HEXISTS', KEYS[1], ARGV[1]) == 1 or call('HEXISTS', one.memberNames, ARGV[2]) == 1 then return 0 end
call('HSET', KEYS[1], ARGV[1], ARGV[3])
call('HSET', one.memberNames, ARGV[2], ARGV[1])
return 1

-- mark-erased: writes down that a member is being erased, so that it is taken up again if it is cut short.
--
-- KEYS  1 erased members
-- ARGV  1 member id  2 now
-- Returns 1
-- Guards: marking again keeps the first time.

call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
call('SADD', one.erasing, ARGV[1])
return 1

-- add-key: stores an API key, of which only the digest is known.
--
-- KEYS  1 key
-- ARGV  1 key id  2 member  3 digest  4 default privacy  5 created at  6 expires at, '' for never
-- Returns 1 if added, 0 if the id is known, which changes nothing

if call('EXISTS', KEYS[1]) == 1 then return 0 end
call('HSET', KEYS[1], 'id', ARGV[1], 'member', ARGV[2], 'digest', ARGV[3], 'defaultPrivacy', ARGV[4],
  'createdAt', ARGV[5])
if ARGV[6] ~= '' then call('HSET', KEYS[1], 'expiresAt', ARGV[6]) end
call('SADD', many.memberKeys .. ARGV[2], ARGV[1])
return 1

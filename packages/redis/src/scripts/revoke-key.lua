-- revoke-key: marks an API key as revoked. Revoking it again keeps the first time.
--
-- KEYS  1 key
-- ARGV  1 now
-- Returns 1, or 0 for an unknown key

if call('EXISTS', KEYS[1]) == 0 then return 0 end
call('HSETNX', KEYS[1], 'revokedAt', ARGV[1])
return 1

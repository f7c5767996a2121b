-- append-audit: writes an entry of the audit log, if it follows the one that is last.
--
-- KEYS  1 audit log
-- ARGV  1 hash of the entry before it, '' for the first  2 entry (JSON)
-- Returns 'appended' | 'stale'
-- Guards: the entry before it is the last of the log; the first finds none.

local last = call('LINDEX', KEYS[1], -1)
local readable, entry = pcall(cjson.decode, last or '{"hash":""}')
if not readable or entry.hash ~= ARGV[1] then return 'stale' end
call('RPUSH', KEYS[1], ARGV[2])
return 'appended'

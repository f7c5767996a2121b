-- cancel-attached: ends a member's attached jobs, because a key or the member may no longer ask.
--
-- KEYS  1 followed
-- ARGV  1 member  2 API key, '' for every one of the member  3 now
-- Returns how many were cancelled
-- Guards: the member's own jobs; not ended.

local cancelled = 0
for _, id in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
  local whose = call('HMGET', many.job .. id, 'member', 'key')
  if whose[1] == ARGV[1] and (ARGV[2] == '' or whose[2] == ARGV[2]) then
    local job = loadJob(id)
    if not hasEnded(job) then
      wakeForCancelled(job, cancelJob(job, 'revoked', tonumber(ARGV[3])))
      cancelled = cancelled + 1
    end
  end
end
return cancelled

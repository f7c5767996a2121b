-- swap-text: replaces a text by another, if it is still the one that was read.
--
-- KEYS  1 string or hash
-- ARGV  1 field of the hash, '' for a string  2 text that was read  3 new text
-- Returns 1 if replaced

if ARGV[1] == '' then
  if call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
  call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
else
  if call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
  call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1

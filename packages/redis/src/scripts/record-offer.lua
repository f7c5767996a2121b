-- record-offer: writes down what a node offers.
--
-- KEYS  1 node
-- ARGV  1 offer (JSON)
-- Returns 1, or 0 for an unknown node

if call('EXISTS', KEYS[1]) == 0 then return 0 end
call('HSET', KEYS[1], 'offer', ARGV[1])
return 1

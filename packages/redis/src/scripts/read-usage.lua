-- read-usage: a member's usage of a month as one text. A month has a thousand fields, and one text is read many times
-- faster than as many replies. Reads only.
--
-- KEYS  1 usage
-- Returns fields and values in turn, a JSON array

local fields = call('HGETALL', KEYS[1])
return #fields == 0 and '[]' or cjson.encode(fields)

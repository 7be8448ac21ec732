-- Adds to an epoch that has not begun.
-- KEYS: its entries; its base
-- ARGV: seconds until an epoch that never begins is forgotten; the number of fields; the fields of the base with their values;
--       then entries
local fields = tonumber(ARGV[2])
for number = 1, fields do
  redis.call('HSET', KEYS[2], ARGV[2 * number + 1], ARGV[2 * number + 2])
end
for number = 2 * fields + 3, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'n', ARGV[number])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[1])
return 0

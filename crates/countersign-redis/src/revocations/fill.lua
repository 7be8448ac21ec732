-- Adds revocations to the entries of an epoch that has not begun.
-- KEYS: the entries
-- ARGV: seconds until an epoch that never begins is forgotten; then the revocations
for number = 2, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'n', ARGV[number])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 0

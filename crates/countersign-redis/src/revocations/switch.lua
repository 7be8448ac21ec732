-- Begins an epoch that is filled in, in place of another one.
-- KEYS: the state; the beats; the entries and the base of the new epoch; those of the old one, or the state twice
-- ARGV: the old epoch, or nothing; the number of its entries that the new one has or needs not; the new epoch; the name of the
--       durable list and its number; the number of entries; that of fields of the base; that of revocations in the base, and in
--       all; seconds for which readers may still read the old ones
-- Returns an outcome, as `append.lua` does.
now = string.format('%.0f', now)
local old = redis.call('HMGET', KEYS[1], 'epoch')[1] or ''
if old ~= ARGV[1] or (old ~= '' and redis.call('XLEN', KEYS[5]) ~= tonumber(ARGV[2])) then
  return { 2, old, '', '', now }
end
if redis.call('XLEN', KEYS[3]) ~= tonumber(ARGV[6]) or redis.call('HLEN', KEYS[4]) ~= tonumber(ARGV[7]) then
  return { 1, old, '', '', now }
end
local top = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
local last = top and top[1] or '0-0'
redis.call('PERSIST', KEYS[3])
redis.call('PERSIST', KEYS[4])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'server', server, 'log', ARGV[4], 'sequence', ARGV[5], 'entries', ARGV[6],
  'beat', 1, 'beat_at', 0, 'last', last, 'fields', ARGV[7], 'filled', ARGV[8], 'revocations', ARGV[9])
if old ~= '' then
  redis.call('EXPIRE', KEYS[5], ARGV[10])
  redis.call('EXPIRE', KEYS[6], ARGV[10])
end
redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'epoch', ARGV[3], 'number', 1, 'entries', ARGV[6], 'last', last)
return { 0, ARGV[3], ARGV[4], ARGV[5], now }

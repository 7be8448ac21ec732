-- Adds revocations to the entries of an epoch, and a beat, in one step.
-- KEYS: the state; the beats; the entries of the epoch; its base
-- ARGV: the epoch; the name of the durable list, or nothing for a revocation that is in none; its numbers before and after these
--       revocations; the server's time in ms before they were read; 1 if nothing followed in the list; the most revocations; the
--       number of these; then they, in one entry or several
-- Returns an outcome, as `Outcome` has them, and the epoch, the list, its number and the server's time.
local state = redis.call('HMGET', KEYS[1], 'epoch', 'server', 'log', 'sequence', 'entries', 'beat', 'beat_at', 'last', 'filled',
  'fields', 'revocations')
local epoch, log, sequence, entries = state[1] or '', state[3] or '', state[4] or '', tonumber(state[5] or 0)
local function outcome(number)
  return { number, epoch, log, sequence, string.format('%.0f', now) }
end

if state[2] ~= server then
  return outcome(1)
end
if epoch ~= ARGV[1] then
  return outcome(2)
end
-- Somebody else added or removed entries.
if redis.call('XLEN', KEYS[3]) ~= entries or redis.call('HLEN', KEYS[4]) ~= tonumber(state[10]) then
  return outcome(1)
end
local is_durable, revocations = ARGV[2] ~= '', tonumber(state[11])
if is_durable then
  if log ~= ARGV[2] or revocations > 2 * tonumber(state[9]) + 4096 then
    return outcome(1)
  end
  if sequence ~= ARGV[3] then
    return outcome(2)
  end
  local age = now - tonumber(ARGV[5])
  if age < 0 or age > 2000 then
    return outcome(4)
  end
end
revocations = revocations + tonumber(ARGV[8])
if revocations > tonumber(ARGV[7]) then
  return outcome(3)
end

local last = state[8]
for number = 9, #ARGV do
  last = redis.call('XADD', KEYS[3], '*', 'n', ARGV[number])
end
local added = #ARGV - 8
entries = entries + added
if is_durable then
  sequence = ARGV[4]
end
redis.call('HSET', KEYS[1], 'sequence', sequence, 'entries', entries, 'last', last, 'revocations', revocations)
-- Of several publishers, one is enough.
local quiet = now - tonumber(state[7])
if ARGV[6] == '1' and (added > 0 or quiet < 0 or quiet >= 500) then
  local beat = tonumber(state[6]) + 1
  redis.call('HSET', KEYS[1], 'beat', beat, 'beat_at', string.format('%.0f', now))
  redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'epoch', epoch, 'number', beat, 'entries', entries, 'last', last)
end
return outcome(0)

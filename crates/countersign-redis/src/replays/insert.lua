-- Records the use of a proof, in one step.
-- KEYS: since when this part of the store remembers; then, unless only that is to be begun: the proof, and the counts of its
--       issuer, its client and, if it has one beside the client, its subject
-- ARGV: seconds that a proof may be ahead of this server's clock; then the times of the request, of the proof and of the end
--       of its record; seconds by which the service's clock may differ; shares of one issuer; seconds that counts are kept
-- Returns the number of an outcome, as `Answer` has them.

-- A server that lost something since is another one by this id: it is new after a start, with its data or without, and after
-- a replica became the primary.
local replication = redis.call('INFO', 'replication')
if not replication:find('role:master', 1, true) then
  return redis.error_reply('READONLY a replica')
end
local id = replication:match('master_replid:(%w+)')
local time = tonumber(redis.call('TIME')[1])
local record = redis.call('GET', KEYS[1])
local known, since, latest
if record then
  known, since, latest = record:match('^(%w+) (%d+) (%d+)$')
  since, latest = tonumber(since), tonumber(latest)
end
-- A clock that is set back may have been ahead, and proofs were forgotten meanwhile.
if known ~= id or time + 2 < latest then
  since, latest = time + 1, -1
end
if time > latest then
  redis.call('SET', KEYS[1], id .. ' ' .. since .. ' ' .. time)
end
if not KEYS[2] then
  return 0
end

local ahead, now, made, keep_until = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local difference = tonumber(ARGV[5])
if made > time + ahead or now > time + difference or now + difference < time then
  return 5
end
-- What was made before may have been used before, by a client whose clock was ahead.
if made < since + ahead then
  return (made < since or time >= since + ahead) and 2 or 4
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 1
end

-- A key gets a place only while it has fewer than are free to the key above it.
local free = tonumber(ARGV[6])
for level = 3, #KEYS do
  local own = tonumber(redis.call('GET', KEYS[level]) or 0)
  if own >= free then
    return 3
  end
  free = level == 3 and free - own or math.ceil((free - own) / 2)
end
redis.call('SET', KEYS[2], '', 'EXAT', keep_until)
for level = 3, #KEYS do
  if redis.call('INCR', KEYS[level]) == 1 then
    redis.call('EXPIRE', KEYS[level], ARGV[7])
  end
end
return 0

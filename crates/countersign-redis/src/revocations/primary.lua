-- The begin of each step that reads the state: the server must be a primary. One that may have lost something has another id: it
-- is new after a start, with its data or without, and after a replica became the primary.
local replication = redis.call('INFO', 'replication')
if not replication:find('role:master', 1, true) then
  return redis.error_reply('READONLY a replica')
end
local server = replication:match('master_replid:(%w+)')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

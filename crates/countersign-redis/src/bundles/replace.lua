-- Replaces a bundle by a later one, in one step, and hints.
-- KEYS: the bundle; the hints
-- ARGV: the revision and the digest of the new bundle; the new value
-- Returns the number of an outcome, as `Outcome` has them, and the revision that is there.
local value = redis.call('GETRANGE', KEYS[1], 0, 63)
local revision, digest = value:match('^(%d+) ([%w_%-]+)\n')
if value ~= '' and not revision then
  return { 3, '' }
end
local is_same = revision == ARGV[1] and digest == ARGV[2]
if revision and not is_same and tonumber(revision) >= tonumber(ARGV[1]) then
  return { 2, revision }
end
-- The same one too: somebody may have cut it.
redis.call('SET', KEYS[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'revision', ARGV[1])
return { is_same and 1 or 0, ARGV[1] }

//! The scripts: each is one step to everybody else.
//!
//! An entry of a stream has one field: its name is the head (id, version and attempts before, with a space between),
//! its value the body. No more, because each text of each entry is written, read and taken apart for every job. Packed,
//! by its parts and with the level as `p`, a job lies in the sorted set and among the dead letters.
//!
//! What the server counts of a pending entry is more than its deliveries here: [`BEGUN`] times the number of those that
//! have begun, and then the number of all. So it is known without a further key whose attempt counts.
//!
//! The server does not take back what a script did that fails midway: when a user may not do one of its commands, or a
//! key holds something else since. So what a job becomes is written before what it was is removed. That it may be
//! removed is known before anything is written: the command for it is tried on something that is never there. (A server
//! that is out of memory lets a script write that has begun with a command that takes none, so this helps there, too.)

/// What one delivery that has begun counts for beside those that have not. (Nobody's lease runs out so often.)
pub(super) const BEGUN: u64 = 1 << 20;

/// Functions of several scripts.
macro_rules! with_functions {
    ($script:literal) => {
        concat!(
            r"
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
-- The fields of an entry, if it is ours in this very delivery.
local function held(stream, group, consumer, entry, count)
  local p = redis.call('XPENDING', stream, group, entry, entry, 1)
  if #p == 0 or p[1][2] ~= consumer then return nil end
  -- Whether it has begun says nothing about whose it is.
  return p[1][4] % 1048576 == tonumber(count) % 1048576
end
local function fields(stream, entry)
  local e = redis.call('XRANGE', stream, entry, entry)
  if #e == 0 then return nil end
  local f = e[1][2]
  local i, v, a = string.match(f[1], '^(%S+) (%d+) (%d+)$')
  if i and #f == 2 then return { i = i, v = v, a = a, b = f[2] } end
  -- What is no job of ours is kept as it is.
  local all = {}
  for n = 1, #f, 2 do all[#all + 1] = f[n] .. '=' .. f[n + 1] end
  return { i = entry, v = '0', a = '0', b = table.concat(all, '\n') }
end
local function may_remove(stream, group)
  redis.call('XACK', stream, group, '0-0')
  redis.call('XDEL', stream, '0-0')
end
local function remove(stream, group, entry)
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
end
local function add(stream, j)
  redis.call('XADD', stream, '*', j.i .. ' ' .. j.v .. ' ' .. j.a, j.b)
end
",
            $script
        )
    };
}

/// Adds a job that has a delay or a key. KEYS: stream, delayed, key; ARGV: level, id, version, body, delay in ms, span
/// of the key in ms, 0 without one. Returns the id of the job that has the key.
pub(super) const SEND: &str = with_functions!(
    r"
local span, delay = tonumber(ARGV[6]), tonumber(ARGV[5])
if span > 0 then
  local first = redis.call('GET', KEYS[3])
  if first then return first end
  -- Sets nothing, as there is none; but fails if it must not.
  redis.call('SET', KEYS[3], ARGV[2], 'XX', 'PX', span)
end
local job = { p = tonumber(ARGV[1]), i = ARGV[2], v = ARGV[3], a = '0', b = ARGV[4] }
if delay > 0 then
  redis.call('ZADD', KEYS[2], now_us() + delay * 1000, cmsgpack.pack(job))
else
  add(KEYS[1], job)
end
-- After the job: a key without one would have those who send it again believe that it is there.
if span > 0 then redis.call('SET', KEYS[3], ARGV[2], 'PX', span) end
return ARGV[2]
"
);

/// Moves what is due, and takes over what others have held for longer than a lease. KEYS: the three streams, delayed;
/// ARGV: group, consumer, lease in ms, how many to take over at most, and for each stream where to go on looking.
/// Returns ms until the next job is due, or -1; where to go on; and what was taken: level, entry, delivery, fields.
pub(super) const TEND: &str = with_functions!(
    r"
local now = now_us()
local due = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 500)
-- No packed job begins with a space.
if #due > 0 then redis.call('ZREM', KEYS[4], ' ') end
for _, packed in ipairs(due) do
  local job = cmsgpack.unpack(packed)
  add(KEYS[job.p + 1], job)
  redis.call('ZREM', KEYS[4], packed)
end
local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
local wait = -1
if #first > 0 then wait = math.max(0, math.ceil((tonumber(first[2]) - now) / 1000)) end
local taken, cursors, left = {}, {}, tonumber(ARGV[4])
for s = 1, 3 do
  local cursor = ARGV[4 + s]
  for _ = 1, 32 do
    if left == 0 then break end
    local reply = redis.call('XAUTOCLAIM', KEYS[s], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', left)
    cursor = reply[1]
    for _, entry in ipairs(reply[2]) do
      -- False is an entry that somebody has deleted.
      if entry then
        local p = redis.call('XPENDING', KEYS[s], ARGV[1], entry[1], entry[1], 1)
        taken[#taken + 1] = { s - 1, entry[1], p[1][4], entry[2] }
        left = left - 1
      end
    end
    if cursor == '0-0' then break end
  end
  cursors[s] = cursor
end
return { wait, cursors, taken }
"
);

/// Gives a job back. KEYS: stream, delayed; ARGV: group, consumer, entry, delivery, delay in ms, attempts, level.
pub(super) const GIVE_BACK: &str = with_functions!(
    r"
if not held(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) then return 0 end
may_remove(KEYS[1], ARGV[1])
local job = fields(KEYS[1], ARGV[3])
if job then
  job.a = ARGV[6]
  job.p = tonumber(ARGV[7])
  local delay = tonumber(ARGV[5])
  if delay > 0 then
    redis.call('ZADD', KEYS[2], now_us() + delay * 1000, cmsgpack.pack(job))
  else
    add(KEYS[1], job)
  end
end
remove(KEYS[1], ARGV[1], ARGV[3])
return job and 1 or 0
"
);

/// Begins leases of one stream anew. KEYS: stream; ARGV: group, consumer, 1 if they have begun, then entry and delivery
/// of each. Returns how many are ours.
pub(super) const EXTEND: &str = with_functions!(
    r"
local ours = 0
for n = 4, #ARGV, 2 do
  if held(KEYS[1], ARGV[1], ARGV[2], ARGV[n], ARGV[n + 1]) then
    if ARGV[3] == '1' then
      -- From what was delivered, so that it is the same when done again.
      local begun = string.format('%.0f', ARGV[n + 1] + 1048576)
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[n], 'RETRYCOUNT', begun, 'JUSTID')
    else
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[n], 'JUSTID')
    end
    ours = ours + 1
  end
end
return ours
"
);

/// Makes a dead letter. KEYS: stream, dead, letters; ARGV: group, consumer, entry, delivery, attempts, level, reason.
pub(super) const BURY: &str = with_functions!(
    r"
if not held(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) then return 0 end
may_remove(KEYS[1], ARGV[1])
local job = fields(KEYS[1], ARGV[3])
if job then
  job.a, job.p, job.r = ARGV[5], tonumber(ARGV[6]), ARGV[7]
  redis.call('HSET', KEYS[3], job.i, cmsgpack.pack(job))
  redis.call('ZADD', KEYS[2], now_us(), job.i)
end
remove(KEYS[1], ARGV[1], ARGV[3])
return job and 1 or 0
"
);

/// The oldest dead letters. KEYS: dead, letters; ARGV: how many at most. Returns of each: level, id, version, attempts,
/// body, reason.
pub(super) const DEAD_LETTERS: &str = r"
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  local packed = redis.call('HGET', KEYS[2], id)
  if packed then
    local job = cmsgpack.unpack(packed)
    found[#found + 1] = { job.p, job.i, job.v, job.a, job.b, job.r }
  end
end
return found
";

/// Takes a dead letter away, and puts it back into its stream if asked to. KEYS: dead, letters, the three streams;
/// ARGV: id, 1 to put it back.
pub(super) const TAKE_DEAD: &str = with_functions!(
    r"
local packed = redis.call('HGET', KEYS[2], ARGV[1])
if not packed then return 0 end
-- No id has a space.
redis.call('HDEL', KEYS[2], ' ')
redis.call('ZREM', KEYS[1], ' ')
if ARGV[2] == '1' then
  local job = cmsgpack.unpack(packed)
  job.a = '0'
  add(KEYS[3 + job.p], job)
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
"
);

/// Removes consumers that have nothing pending and were not heard of for so long. KEYS: the streams; ARGV: group, ms,
/// and a name that goes in any case.
pub(super) const DISMISS: &str = r"
for _, stream in ipairs(KEYS) do
  for _, reply in ipairs(redis.call('XINFO', 'CONSUMERS', stream, ARGV[1])) do
    local c = {}
    for n = 1, #reply, 2 do c[reply[n]] = reply[n + 1] end
    if c.pending == 0 and (c.name == ARGV[3] or c.idle > tonumber(ARGV[2])) then
      redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[1], c.name)
    end
  end
end
return 1
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_what_a_beginning_counts_for() {
        let number = BEGUN.to_string();
        for script in [GIVE_BACK, EXTEND, BURY] {
            assert!(script.contains(&number));
        }
    }
}

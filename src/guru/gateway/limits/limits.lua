-- Limits that several processes share. One run of this script is atomic, and its clock is the server's own.
--
-- ARGV[1] is what to do: reserve, settle, redress, renew or begin. ARGV[2] is the id of the reservation (its lease), ARGV[3] how long a
-- lease lives, in microseconds: what a dead process had reserved is free again after that.
-- KEYS holds two keys for each check, ARGV four values: kind, limit, amount, and one that depends on the kind.
--   bucket  key: a hash of level and time. limit: so many a minute. The level is in sixty-millionths, exact.
--   running key: leases by the time they end. limit: so many at once.
--   money   key: a hash of spent and reserved, in billionths of a dollar; second key: leases with their amounts.
--           The last value is when the period ends, in milliseconds since 1970.
local MINUTE = 60000000
local action, lease, life = ARGV[1], ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local text = function(number) return string.format('%.0f', number) end

local function each(visit)
  for i = 1, #KEYS / 2 do
    local at = 4 + (i - 1) * 4
    visit(i, KEYS[2 * i - 1], KEYS[2 * i], ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
  end
end

local function level_of(key, limit)
  local stored = redis.call('HMGET', key, 'level', 'at')
  local full = limit * MINUTE
  if not stored[1] then return full end
  local elapsed = math.max(0, now - tonumber(stored[2]))
  return math.min(full, tonumber(stored[1]) + elapsed * limit)
end

local function keep_level(key, limit, level)
  redis.call('HSET', key, 'level', text(level), 'at', text(now))
  -- A bucket that is full again is as good as none.
  redis.call('PEXPIRE', key, math.ceil((limit * MINUTE - level) / limit / 1000) + 1000)
end

-- Free what the dead had reserved.
local function bury(key, leases)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', text(now))) do
    redis.call('HINCRBY', key, 'reserved', '-' .. string.match(member, ':(%d+)$'))
    redis.call('ZREM', leases, member)
  end
end

local function reserve()
  local refused, wait, levels, measures = 0, 0, {}, {}
  each(function(i, key, second, kind, limit, amount, ends)
    local lacks = 0
    if kind == 'bucket' then
      levels[i] = level_of(key, limit)
      if levels[i] < amount * MINUTE then lacks = math.ceil((amount * MINUTE - levels[i]) / limit) end
    elseif kind == 'running' then
      redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
      if redis.call('ZCARD', key) >= limit then lacks = 1 end
    else
      bury(key, second)
      local stored = redis.call('HMGET', key, 'spent', 'reserved')
      if not stored[1] then
        if refused >= 0 then refused = -i end
      else
        local used = tonumber(stored[1]) + tonumber(stored[2] or '0')
        if used >= limit or used + amount > limit then lacks = math.max(1, ends * 1000 - now) end
      end
    end
    if lacks > 0 and refused == 0 then refused, wait = i, lacks end
  end)
  each(function(i, key, second, kind, limit, amount, ends)
    if kind == 'bucket' then
      local level = levels[i]
      if refused == 0 then
        level = level - amount * MINUTE
        keep_level(key, limit, level)
      end
      measures[#measures + 1] = math.max(0, math.floor(level / MINUTE))
      measures[#measures + 1] = math.ceil((limit * MINUTE - level) / limit)
    elseif refused == 0 and kind == 'running' then
      redis.call('ZADD', key, text(now + life), lease)
      redis.call('PEXPIRE', key, math.ceil(life / 1000))
    elseif refused == 0 then
      redis.call('HINCRBY', key, 'reserved', text(amount))
      redis.call('ZADD', second, text(now + life), lease .. ':' .. text(amount))
      redis.call('PEXPIREAT', key, ends + 86400000)
      redis.call('PEXPIREAT', second, ends + 86400000)
    end
  end)
  return {refused, wait, unpack(measures)}
end

-- The amount is here what was not used: it may be negative. For money it is the true cost, and the last value is
-- what was reserved. To redress is to settle where nobody knows what was done before: money is booked only for a
-- reservation that is still there.
local function settle()
  each(function(_, key, second, kind, limit, amount, reserved)
    if kind == 'bucket' then
      if amount ~= 0 then keep_level(key, limit, math.min(limit * MINUTE, level_of(key, limit) + amount * MINUTE)) end
    elseif kind == 'running' then
      redis.call('ZREM', key, lease)
    elseif redis.call('EXISTS', key) == 1 then
      local held = redis.call('ZREM', second, lease .. ':' .. text(reserved)) == 1
      if held then redis.call('HINCRBY', key, 'reserved', text(-reserved)) end
      if held or action == 'settle' then redis.call('HINCRBY', key, 'spent', text(amount)) end
    end
  end)
  return {0}
end

-- A process says that its requests still run. ARGV[4] of each check is unused; leases that are gone stay gone.
local function renew()
  each(function(_, key, second, kind, _, _, reserved)
    if kind == 'running' then
      redis.call('ZADD', key, 'XX', text(now + life), lease)
      redis.call('PEXPIRE', key, math.ceil(life / 1000))
    elseif kind == 'money' then
      redis.call('ZADD', second, 'XX', text(now + life), lease .. ':' .. text(reserved))
    end
  end)
  return {0}
end

-- What the ledger says was spent in a period: the amount. Whatever is larger is nearer to the truth, as the ledger
-- hears of costs later, and this hash never of those that were spent while it could not be reached.
local function begin()
  each(function(_, key, _, _, _, amount, ends)
    local stored = redis.call('HGET', key, 'spent')
    if not stored or tonumber(stored) < amount then redis.call('HSET', key, 'spent', text(amount)) end
    redis.call('PEXPIREAT', key, ends + 86400000)
  end)
  return {0}
end

local actions = {reserve = reserve, settle = settle, redress = settle, renew = renew, begin = begin}
return actions[action]()

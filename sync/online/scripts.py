"""What Redis does in one step, as Lua. Rows are compared by (event, created), their sortable prefix.

A batch stays far below the near 4,000 pairs at which Lua's `unpack` fails.
"""

from sync.online.layout import PREFIX

# A killed run's rows vanish by themselves; every frame of rows renews this.
ASIDE_SECONDS = 600

# The rows of a view that is in Redis as `fingerprint`, each put in its place unless a newer one stands there.
# At a tie the warehouse is right. What is pushed, and newer, goes into the rows being written aside, too, and
# is kept in mind until the warehouse sends as much. A sync that has its lock no more writes nothing: it would
# bring back what its successor removed. Where nothing was pushed, rows of later events than any that was
# synced need no comparison.
# KEYS: rows, meta, pushed, staging, aside, lock, mixed.
# ARGV: fingerprint (of pushed rows, on the first shard), owner of the lock ("": pushed rows), token of those
# aside or, of a sync, '1' if all events are later, field, row, … (a field once)
MERGE = f"""
if ARGV[1] ~= '' and redis.call('HGET', KEYS[2], 'fingerprint') ~= ARGV[1] then
    return redis.error_reply('REDEFINED')
end
local pushed = ARGV[2] == ''
if not pushed and redis.call('GET', KEYS[6]) ~= ARGV[2] then return redis.error_reply('LOST') end
if pushed and (redis.call('GET', KEYS[4]) or '') ~= ARGV[3] then return redis.error_reply('STAGING') end
if not pushed and ARGV[3] == '1' and redis.call('EXISTS', KEYS[3], KEYS[7]) == 0 then
    return {{redis.call('HSET', KEYS[1], unpack(ARGV, 4)), (#ARGV - 3) / 2, 0}}
end
local sub, fields, given, newer = string.sub, {{}}, {{}}, {{}}
for i = 4, #ARGV, 2 do
    fields[i / 2 - 1], given[i / 2 - 1] = ARGV[i], ARGV[i + 1]
end
local function merge(key, fields, given)
    local stored, rows, count, kept = redis.call('HMGET', key, unpack(fields)), {{}}, 0, 0
    for i = 1, #fields do
        local row, other = given[i], stored[i]
        if other ~= row then
            local mine, theirs = sub(row, 1, {PREFIX}), other and sub(other, 1, {PREFIX})
            if other and (theirs > mine or (theirs == mine and pushed)) then
                kept, newer[fields[i]] = kept + 1, true
            else
                rows[count + 1], rows[count + 2] = fields[i], row
                count = count + 2
            end
        end
    end
    local added = 0
    if count > 0 then added = redis.call('HSET', key, unpack(rows)) end
    return added, rows, kept
end
local added, rows, kept = merge(KEYS[1], fields, given)
if pushed and #rows > 0 then
    local scores, names, values = {{}}, {{}}, {{}}
    for i = 1, #rows, 2 do
        scores[i], scores[i + 1] = sub(rows[i + 1], {PREFIX // 2 + 1}, {PREFIX}), rows[i]
        names[#names + 1], values[#values + 1] = rows[i], rows[i + 1]
    end
    redis.call('ZADD', KEYS[3], unpack(scores))
    redis.call('SET', KEYS[7], '')
    if ARGV[3] ~= '' then
        merge(KEYS[5], names, values)
        redis.call('EXPIRE', KEYS[5], {ASIDE_SECONDS})
    end
elseif not pushed and redis.call('EXISTS', KEYS[3]) == 1 then
    local known = {{}}
    for _, field in ipairs(fields) do if not newer[field] then known[#known + 1] = field end end
    if #known > 0 then redis.call('ZREM', KEYS[3], unpack(known)) end
end
return {{added, #rows / 2, kept}}
"""

# What is aside takes the place of a shard's rows. KEYS: lock, rows, aside, retired, staging, stray, pushed,
# meta, mixed. ARGV: owner of the lock, '1' if what was pushed stays, field of the meta, value, … (none: it
# stays)
SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('LOST') end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[4]) end
if redis.call('EXISTS', KEYS[3]) == 1 then
    redis.call('PERSIST', KEYS[3])
    redis.call('RENAME', KEYS[3], KEYS[2])
end
redis.call('UNLINK', KEYS[4])
redis.call('DEL', KEYS[5], KEYS[6])
if ARGV[2] ~= '1' then redis.call('DEL', KEYS[7]) end
if redis.call('EXISTS', KEYS[7]) == 0 then redis.call('DEL', KEYS[9]) end
if #ARGV > 2 then
    redis.call('DEL', KEYS[8])
    redis.call('HSET', KEYS[8], unpack(ARGV, 3))
end
"""

# What changes of a meta; what was pending before is no more. KEYS: lock, meta.
# ARGV: owner of the lock, field, value, …
SAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('LOST') end
redis.call('HDEL', KEYS[2], 'pending')
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
"""

# Rows whose ttl has ended. KEYS: rows. ARGV: the first event time (16 digits) that is served, field, field, …
EXPIRE = f"""
local fields = {{}}
for i = 2, #ARGV do fields[i - 1] = ARGV[i] end
local stored, gone = redis.call('HMGET', KEYS[1], unpack(fields)), {{}}
for i, field in ipairs(fields) do
    if stored[i] and string.sub(stored[i], 1, {PREFIX // 2}) < ARGV[1] then gone[#gone + 1] = field end
end
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
return #gone
"""

# Pushed rows that the warehouse did not send, though it knows what was created later, are kept in mind by
# their events. How many were looked at, 500 at most. KEYS: rows, pushed, stray. ARGV: the watermark
STRAY = f"""
local fields = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 500)
if #fields == 0 then return 0 end
local stored, scores = redis.call('HMGET', KEYS[1], unpack(fields)), {{}}
for i, field in ipairs(fields) do
    if stored[i] then
        scores[#scores + 1] = string.sub(stored[i], 1, {PREFIX // 2})
        scores[#scores + 1] = field
    end
end
if #scores > 0 then redis.call('ZADD', KEYS[3], unpack(scores)) end
redis.call('ZREM', KEYS[2], unpack(fields))
return #fields
"""

# Strays whose ttl has ended: how many were looked at, 500 at most, and how many are gone; the others were
# replaced by newer rows. KEYS: rows, stray. ARGV: the first event time (16 digits) that is served
EXPIRE_STRAYS = f"""
local fields = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1], 'LIMIT', 0, 500)
if #fields == 0 then return {{0, 0}} end
local stored, gone = redis.call('HMGET', KEYS[1], unpack(fields)), {{}}
for i, field in ipairs(fields) do
    if stored[i] and string.sub(stored[i], 1, {PREFIX // 2}) < ARGV[1] then gone[#gone + 1] = field end
end
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
redis.call('ZREM', KEYS[2], unpack(fields))
return {{#fields, #gone}}
"""

# Pushed rows that the warehouse does not know go where the new rows are: aside, before these take the place
# of all, or in place. KEYS: rows, new rows, pushed and mixed of the new rows (once they are in place).
# ARGV: the warehouse's watermark, field, its row's created timestamp when it was pushed, field, …
CARRY = f"""
local fields, pushed = {{}}, {{}}
for i = 2, #ARGV, 2 do fields[#fields + 1], pushed[ARGV[i]] = ARGV[i], ARGV[i + 1] end
local live, aside = redis.call('HMGET', KEYS[1], unpack(fields)), redis.call('HMGET', KEYS[2], unpack(fields))
local rows, scores = {{}}, {{}}
for i, field in ipairs(fields) do
    local row, other = live[i], aside[i]
    local created = row and string.sub(row, {PREFIX // 2 + 1}, {PREFIX})
    local mine, theirs = row and string.sub(row, 1, {PREFIX}), other and string.sub(other, 1, {PREFIX})
    if row and created == pushed[field] and created > ARGV[1] and (not other or mine >= theirs) then
        scores[#scores + 1] = created
        scores[#scores + 1] = field
        if not other or mine > theirs then
            rows[#rows + 1] = field
            rows[#rows + 1] = row
        end
    end
end
if #rows > 0 then
    redis.call('HSET', KEYS[2], unpack(rows))
    if not KEYS[3] then redis.call('EXPIRE', KEYS[2], {ASIDE_SECONDS}) end
end
if KEYS[3] and #scores > 0 then
    redis.call('ZADD', KEYS[3], unpack(scores))
    redis.call('SET', KEYS[4], '')
end
return #rows / 2
"""

# What a run put aside, when it failed; the swap has taken it otherwise.
# KEYS: staging, aside. ARGV: token
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return redis.call('UNLINK', KEYS[2])
"""

# How fresh a view is, by what was pushed. KEYS: meta. ARGV: newest event and created timestamps, µs
NEWEST = """
for i, field in ipairs({'max_event', 'max_created'}) do
    local stored = redis.call('HGET', KEYS[1], field)
    if stored and tonumber(stored) < tonumber(ARGV[i]) then redis.call('HSET', KEYS[1], field, ARGV[i]) end
end
"""

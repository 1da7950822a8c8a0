-- A game's raw events. Every choice is drawn from hash(seed, player, day, ...): what a player does on a day stays the
-- same whatever other days are generated. Sums of doubles depend on the order of threads: only integers are summed.

create macro pick(h, salt) as hash(xor(h, salt::ubigint));

create macro uniform(h, salt) as (pick(h, salt) >> 11) / 9007199254740992.0;

create macro below(h, salt, bound) as floor(uniform(h, salt) * bound)::bigint;

create macro exponential(h, salt) as -ln(1 - uniform(h, salt));

create macro normal(h, salt) as sqrt(2 * exponential(h, salt)) * cos(2 * pi() * uniform(h, salt + 500));

create macro choose(h, salt, options) as options[1 + below(h, salt, len(options))];

create macro geometric(h, salt, mean) as
    case when mean > 0 then floor(exponential(h, salt) / ln(1 + 1 / mean))::bigint else 0 end;

-- Share of a day's play -> local hour; a player's day runs from six to six.
create macro hour_of_play(share) as
    case
        when share < 0.15 then 6 + share / 0.15 * 3
        when share < 0.35 then 9 + (share - 0.15) / 0.20 * 4
        when share < 0.55 then 13 + (share - 0.35) / 0.20 * 4
        when share < 0.85 then 17 + (share - 0.55) / 0.30 * 5
        when share < 0.97 then 22 + (share - 0.85) / 0.12 * 3
        else 25 + (share - 0.97) / 0.03 * 5
    end;

create macro instant_of_play(day, share, utc_offset) as
    day * 86400000000 + floor((hour_of_play(share) - utc_offset) * 3600000000)::bigint;

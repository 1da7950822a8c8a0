create table countries as
select *
from (
    values
    (0, 'Americas', 'United States', 'California', 'Los Angeles', 'en-us', -7),
    (1, 'Americas', 'Mexico', 'Jalisco', 'Guadalajara', 'es-mx', -6),
    (2, 'Americas', 'Brazil', 'Sao Paulo', 'Sao Paulo', 'pt-br', -3),
    (3, 'Americas', 'Chile', 'Santiago', 'Santiago', 'es-cl', -4),
    (4, 'Europe', 'Spain', 'Madrid', 'Madrid', 'es-es', 2),
    (5, 'Europe', 'United Kingdom', 'England', 'London', 'en-gb', 1),
    (6, 'Europe', 'Germany', 'Berlin', 'Berlin', 'de-de', 2),
    (7, 'Europe', 'France', 'Ile-de-France', 'Paris', 'fr-fr', 2),
    (8, 'Asia', 'India', 'Maharashtra', 'Mumbai', 'en-in', 5),
    (9, 'Asia', 'Japan', 'Tokyo', 'Tokyo', 'ja-jp', 9)
) as countries (country_id, continent, country, region, city, language, utc_offset);

-- A slot holds one player after another, 240 days each, since long ago: the game is equally busy at any time, and the
-- days generated decide what is seen, not what happens.
create table players as
with slots as (

    select
        slot,
        hash(xor(hash(getvariable('seed')::ubigint), slot::ubigint)) as slot_hash,
        exp(1.0 * normal(slot_hash, 1)) as raw_activity,
        below(slot_hash, 2, 240) as phase
    from range(getvariable('players')) as slots (slot)

),

normalised as (

    select
        *,
        raw_activity * 1e6 * getvariable('players') / sum(floor(raw_activity * 1e6)::bigint) over () as activity
    from slots

),

cycles as (

    select
        *,
        unnest(range(
            (getvariable('first_day') - phase) // 240,
            (getvariable('end_day') - phase) // 240 + 1
        )) as cycle
    from normalised

),

lives as (

    select
        slot,
        cycle,
        activity,
        pick(slot_hash, 1000 + cycle) as h,
        phase + cycle * 240 as join_day,
        least(greatest(0.5 + 0.18 * normal(h, 10), 0.02), 0.98) as skill,
        geometric(h, 11, case when uniform(h, 12) < 0.35 then 4 else 90 + 140 * skill end) as first_life,
        first_life + 20 + below(h, 13, 60) as comeback,
        comeback + case when uniform(h, 14) < 0.3 then geometric(h, 15, 40) else -1 end as second_life
    from cycles

),

profiles as (

    select
        *,
        join_day + least(first_life, 239) as first_end,
        join_day + least(comeback, 240) as comeback_day,
        join_day + least(second_life, 239) as second_end,
        choose(h, 20, [0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 8, 9]) as home_id,
        uniform(h, 21) < 0.38 as ios
    from lives

)

select
    row_number() over (order by slot, cycle) as player,
    profiles.* exclude (slot, cycle, first_life, comeback, second_life),
    md5(concat_ws('/', getvariable('seed'), slot, cycle)) as user_pseudo_id,
    case when uniform(h, 22) < 0.7 then format('p{:05d}{}', slot, chr((97 + cycle % 26)::int)) end as user_id,
    case when uniform(h, 23) < 0.06 then 'en-us' else home.language end as language,
    choose(h, 24, case
        when ios then ['iPhone 13', 'iPhone 14', 'iPhone 15 Pro', 'iPhone SE', 'iPad Air']
        else ['Galaxy A54', 'Galaxy S23', 'Redmi Note 12', 'Pixel 8', 'Moto G84']
    end) as model,
    choose(h, 25, case when ios then ['16.7', '17.4', '18.1'] else ['12', '13', '14', '15'] end) as os_version,
    choose(h, 26, ['organic', 'organic', 'organic', 'cpc', 'cpc', 'referral']) as medium,
    choose(h, 27, ['competitive', 'competitive', 'casual', 'casual', 'casual', 'social']) as favourite_mode,
    uniform(h, 28) < 0.05 as payer,
    0.02 + 0.12 * uniform(h, 29) as sociability,
    0.6 + 0.8 * uniform(h, 30) as pace,
    case when uniform(h, 31) < 0.75 then 'normal' when skill > 0.5 then 'hard' else 'easy' end as first_difficulty,
    case when skill > 0.5 then 'hard' else 'easy' end as next_difficulty,
    instant_of_play(join_day, 0.6 * uniform(h, 32), home.utc_offset) as joined_us,
    -- Three in ten change the difficulty one day; a year is never.
    joined_us
        + case when uniform(h, 33) < 0.3 then 2 + below(h, 34, 60) else 400 end * 86400000000 as difficulty_changed_us,
    case when uniform(h, 35) < 0.6 then 'true' else 'false' end as marketing_consent,
    home.utc_offset
from profiles
inner join countries as home on profiles.home_id = home.country_id;

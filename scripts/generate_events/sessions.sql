create table sessions as
with days as (

    select
        player,
        h,
        activity,
        join_day,
        first_end,
        comeback_day,
        second_end,
        unnest(range(join_day, least(greatest(first_end, second_end), getvariable('end_day')) + 1)) as day
    from players

),

player_days as (

    select
        player,
        day,
        day = join_day as joins,
        pick(h, 100000 + day) as h,
        case when day <= first_end then first_end else second_end end as life_end,
        -- Day 0 was a Thursday. Whoever is about to leave plays less and less.
        [0.95, 1.1, 1.25, 1.1, 0.85, 0.85, 0.9][1 + day % 7] * least(1, 0.3 + (life_end - day) / 14) as mood,
        getvariable('sessions_per_day') * activity * mood as expected
    from days
    where day <= first_end or day between comeback_day and second_end

),

active_days as (

    select
        player,
        day,
        joins,
        h,
        case
            when joins then 1
            else least(1 + geometric(h, 2, expected / (1 - exp(-expected / 1.6)) - 1), 96)
        end as sessions
    from player_days
    where joins or uniform(h, 1) < 1 - exp(-expected / 1.6)

),

numbered as (

    select
        *,
        (sum(sessions) over (partition by player order by day) - sessions)::bigint as sessions_before
    from active_days
    qualify day >= getvariable('first_day')

),

one_by_one as (

    select
        *,
        unnest(range(sessions)) as nth
    from numbered

),

begun as (

    select
        player,
        day,
        sessions_before + nth + 1 as session_number,
        pick(one_by_one.h, 1000 + nth) as session_h,
        case
            when joins then joined_us
            else instant_of_play(day, (nth + 0.6 * uniform(session_h, 1)) / sessions, utc_offset)
        end as start_us,
        -- Over before the player's next one begins.
        (0.9 * (instant_of_play(day, (nth + 1) / sessions, utc_offset) - start_us))::bigint as longest_us
    from one_by_one
    inner join players using (player)

),

ended as (

    select
        *,
        least(
            20000000 + floor(exp(6.0 + 0.8 * normal(session_h, 2)) * 1000000)::bigint,
            10800000000,
            longest_us
        ) as length_us
    from begun

),

uploaded as (

    select
        *,
        1 + least(floor(length_us / 150000000 * (0.6 + 0.8 * uniform(session_h, 3)))::bigint, 60) as actions,
        -- Played offline: uploaded hours to days later, in one go.
        case when uniform(session_h, 4) < 0.02 then
            start_us + length_us + 3600000000 + floor(
                3600000000 * case
                    when uniform(session_h, 5) < 0.05 then 73 + below(session_h, 6, 60)
                    else 70 * pow(uniform(session_h, 6), 2)
                end
            )::bigint
        end as offline_until_us
    from ended

)

select
    players.*,
    session_h,
    session_number,
    start_us,
    length_us,
    offline_until_us,
    actions,
    length_us // (actions + 2) as gap_us,
    -- Bundles leave within minutes; what is sent again comes half an hour later at most.
    greatest(coalesce(offline_until_us, 0), start_us + length_us) + 3600000000 as uploaded_before_us,
    {
        'continent': place.continent,
        'country': place.country,
        'region': place.region,
        'city': place.city
    } as geo,
    -- A release every three weeks, taken up within ten days.
    (day - 18262 - below(h, 200000 + day // 21, 10)) // 21 as release
from uploaded
inner join players using (player)
-- Now and then abroad.
inner join countries as place
    on place.country_id = case when uniform(session_h, 7) < 0.01 then below(session_h, 8, 10) else home_id end
order by start_us, player;

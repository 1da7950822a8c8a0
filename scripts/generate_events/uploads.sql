-- The uploads between two instants in microseconds, in the order of sessions and of what happens in them.
create macro uploads(since_us, until_us) as table
with actions as (

    select
        *,
        unnest(range(actions + 2)) as action
    from sessions
    where uploaded_before_us >= since_us
        and start_us < until_us

),

drawn as (

    select
        *,
        pick(session_h, 10000 + action) as action_h,
        uniform(action_h, 1) as draw,
        uniform(action_h, 2) < 0.3 + 0.6 * skill as success,
        uniform(action_h, 3) as bonus
    from actions

),

acted as (

    select
        *,
        case
            when action = 0 then ['session_start']
            when action > actions then ['user_engagement']
            when draw < 0.42 then case
                when not success then ['level_start', 'level_end']
                when bonus < 0.3 then ['level_start', 'level_end', 'post_score', 'level_up']
                when bonus < 0.4 then ['level_start', 'level_end', 'post_score', 'unlock_achievement']
                when bonus < 0.7 then ['level_start', 'level_end', 'post_score']
                else ['level_start', 'level_end']
            end
            when draw < 0.58 then ['match_end']
            when draw < 0.70 then ['user_engagement']
            when draw < 0.78 then ['feature_used']
            when draw < 0.78 + sociability then case
                when bonus < 0.5 then ['send_message']
                when bonus < 0.75 then ['send_gift']
                when bonus < 0.875 then ['friend_invite']
                else ['join_group']
            end
            when draw > 0.93 and payer then ['in_app_purchase']
            when draw > 0.95 and not payer then ['ad_reward']
            else ['user_engagement']
        end as names
    from drawn

),

named as (

    select
        * exclude (names),
        len(names) as places,
        unnest(names) as event_name,
        unnest(range(len(names))) as place
    from acted

),

timed as (

    select
        *,
        pick(action_h, 100 + place) as event_h,
        start_us + gap_us * action + case
            when action = 0 then 0
            else floor(
                gap_us * (0.4 * uniform(action_h, 4) + 0.5 * (place + 0.5 * uniform(event_h, 1)) / places)
            )::bigint
        end as event_us
    from named

),

sent as (

    select
        *,
        case
            when offline_until_us is not null then offline_until_us - event_us
            -- A clock ahead of the server's.
            when uniform(session_h, 9) < 0.001 then -1 - below(event_h, 2, 2000000)
            -- Bundled: four actions, then some seconds on the network.
            else start_us + gap_us * 4 * (action // 4 + 1) - event_us
                + 500000 + below(pick(session_h, action // 4), 3, 20000000)
        end as first_offset_us,
        -- One in two hundred is sent again.
        unnest(case
            when uniform(event_h, 3) < 0.005 then [0, 1000000 + below(event_h, 4, 1800000000)]
            else [0]
        end) as again_us
    from timed
    where event_us between getvariable('start_us') and getvariable('end_us') - 1

)

select
    *,
    first_offset_us + again_us as offset_us
from sent
where event_us + greatest(offset_us, 0) >= since_us
    and event_us + greatest(offset_us, 0) < until_us;

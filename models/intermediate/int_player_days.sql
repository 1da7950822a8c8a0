-- Daily tiles: a tile is final once available, so late events make a tile of their own beside the first.
with events as (

    select
        *,
        greatest({{ after('event_day', '1d') }}, ingested_at) as available_at
    from {{ ref('stg_events') }}

)

select
    player_id,
    event_day as tile_start,
    available_at,
    max(ingested_at) as created_timestamp,

    sum(coalesce(engagement_ms, 0)) as engagement_ms,
    sum(case when event_name = 'level_end' and level_succeeded then 1 else 0 end) as levels_completed,
    sum(case when event_name = 'level_end' and not level_succeeded then 1 else 0 end) as levels_failed,
    sum(case when event_name = 'level_end' and level_succeeded then level else 0 end) as completed_levels_sum,
    max(level) as max_level,
    max(score) as max_score,
    sum(case when event_name = 'unlock_achievement' then 1 else 0 end) as achievements_unlocked,

    sum(case when event_name = 'match_end' then 1 else 0 end) as matches,
    sum(case when event_name = 'match_end' and match_won then 1 else 0 end) as matches_won,
    {% for mode in ['competitive', 'casual', 'social'] -%}
    sum(case when event_name = 'match_end' and game_mode = '{{ mode }}' then 1 else 0 end)
        as {{ mode }}_matches,
    {% endfor %}

    sum(case when event_name = 'in_app_purchase' then 1 else 0 end) as purchases,
    sum(case when event_name = 'in_app_purchase' then value_micros else 0 end) as revenue_micros,
    sum(case when event_name = 'ad_reward' then 1 else 0 end) as ads_watched,
    sum(case when event_name = 'ad_reward' then value_micros else 0 end) as ad_revenue_micros,

    sum(case when event_name = 'send_message' then 1 else 0 end) as messages_sent,
    sum(case when event_name = 'send_gift' then 1 else 0 end) as gifts_sent,
    sum(case when event_name = 'friend_invite' then 1 else 0 end) as friends_invited,
    sum(case when event_name = 'join_group' then 1 else 0 end) as groups_joined
from events
where available_at <= {{ watermark() }}
    {% if is_incremental() %}
    and available_at > {{ since() }}
    and event_day >= {{ before(day_of(since()), (var('late_data_days') + 2) ~ 'd') }}
    {% endif %}
group by player_id, event_day, available_at

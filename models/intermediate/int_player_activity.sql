{%- set names = [
    'session_start', 'user_engagement', 'level_start', 'level_end', 'level_up', 'post_score', 'unlock_achievement',
    'match_end', 'in_app_purchase', 'ad_reward', 'join_group', 'friend_invite', 'send_message', 'send_gift',
    'feature_used'
] -%}
{%- set name_seen = [] -%}
{%- for name in names -%}
{%- set seen = "max(case when event_name = '" ~ name ~ "' then 1 else 0 end)" -%}
{%- do name_seen.append(seen ~ ' over last_five_minutes') -%}
{%- endfor -%}

-- What was known of a running session as each event arrived: the state of the player's last event per minute.
-- Events more than an hour late say nothing about now and are left out.
with arrivals as (

    select
        *,
        case when event_name = 'level_end' and level_succeeded then 1 else 0 end as completed_level
    from {{ ref('stg_events') }}
    where session_id is not null
        and ingested_at <= {{ after('event_at', '1h') }}
        {% if is_incremental() %}
        -- Sessions and the day so far reach back two UTC days at most.
        and event_day >= {{ before(day_of(since()), '1d') }}
        {% endif %}

),

measured as (

    select
        player_id,
        session_id,
        event_at,
        ingested_at,
        event_name,
        bundle_sequence,
        count(*) over so_far as events_in_session,
        min(event_at) over so_far as started_at,
        max(event_at) over so_far as latest_at,
        max(level) over so_far as current_level,
        max(score) over so_far as current_score,
        sum(completed_level) over so_far as levels_in_session,
        sum(coalesce(engagement_ms, 0)) over today as engagement_ms_today,
        count(*) over last_five_minutes as events_last_5min,
        {{ name_seen | join(' + ') }} as action_diversity_5min
    from arrivals
    window
        so_far as (
            partition by player_id, session_id
            order by {{ micros('ingested_at') }}
            range between unbounded preceding and current row
        ),
        today as (
            partition by player_id, event_day
            order by {{ micros('ingested_at') }}
            range between unbounded preceding and current row
        ),
        last_five_minutes as (
            partition by player_id
            order by {{ micros('ingested_at') }}
            range between 299999999 preceding and current row
        )

),

last_of_minute as (

    select
        *,
        {{ dbt.date_trunc('minute', 'ingested_at') }} as minute
    from measured
    qualify row_number() over (
            partition by player_id, {{ dbt.date_trunc('minute', 'ingested_at') }}
            order by ingested_at desc, event_at desc, event_name, bundle_sequence
        ) = 1

)

select
    player_id,
    session_id,
    ingested_at as available_at,
    ingested_at as created_timestamp,
    ({{ micros('latest_at') }} - {{ micros('started_at') }}) / 60000000.0 as session_duration_minutes,
    events_in_session,
    events_last_5min,
    action_diversity_5min,
    current_level,
    current_score,
    levels_in_session,
    engagement_ms_today
from last_of_minute
where {{ after('minute', '1m') }} <= {{ watermark() }}
    {% if is_incremental() %}
    and minute > {{ dbt.date_trunc('minute', since()) }}
    {% endif %}

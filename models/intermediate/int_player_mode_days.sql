{{ config(cluster_by=['player_id', 'game_mode'] if target.type == 'bigquery' else none) }}

-- Daily tiles of matches per player and game mode.
with matches as (

    select
        *,
        greatest({{ after('event_day', '1d') }}, ingested_at) as available_at
    from {{ ref('stg_events') }}
    where event_name = 'match_end'
        and game_mode is not null

)

select
    player_id,
    game_mode,
    event_day as tile_start,
    available_at,
    max(ingested_at) as created_timestamp,
    count(*) as matches,
    sum(case when match_won then 1 else 0 end) as matches_won,
    max(score) as max_score
from matches
where available_at <= {{ watermark() }}
    {% if is_incremental() %}
    and available_at > {{ since() }}
    and event_day >= {{ before(day_of(since()), (var('late_data_days') + 2) ~ 'd') }}
    {% endif %}
group by player_id, game_mode, event_day, available_at

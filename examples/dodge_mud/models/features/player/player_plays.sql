-- Each play is a tile of no length: windows are exact to the microsecond, open on the left and closed on the right.
with tiles as (

    select
        player_id,
        played_at as tile_start,
        played_at as available_at,
        played_at as created_timestamp,
        1 as plays,
        score,
        cast(is_shared_device as integer) as shared
    from {{ ref('stg_plays') }}

),

windows as (

    {{ fsync.trailing_windows(
        tiles='tiles',
        keys=['player_id'],
        until="(select max(played_at) from " ~ ref('stg_plays') ~ ")",
        tile='0s',
        features={
            'plays_total': {'sum': 'plays'},
            'plays_last_7d': {'sum': 'plays', 'window': '7d'},
            'plays_last_30d': {'sum': 'plays', 'window': '30d'},
            'best_score': {'max': 'score'},
            'avg_score': {'avg': 'score', 'per': 'plays'},
            'shared': {'max': 'shared'}
        }
    ) | indent(4) }}

),

-- Of several plays at one instant, the later in the log is the last.
last_of_instant as (

    select
        player_id,
        played_at,
        score
    from {{ ref('stg_plays') }}
    qualify row_number() over (partition by player_id, played_at order by play_id desc) = 1

)

select
    windows.player_id,
    windows.event_timestamp,
    windows.created_timestamp,
    windows.plays_total,
    windows.plays_last_7d,
    windows.plays_last_30d,
    windows.best_score,
    windows.avg_score,
    last_value(last_of_instant.score ignore nulls) over so_far as last_score,
    last_value(last_of_instant.played_at ignore nulls) over so_far as last_played_at,
    windows.shared = 1 as is_shared_device
from windows
left join last_of_instant
    on windows.player_id = last_of_instant.player_id
    and windows.event_timestamp = last_of_instant.played_at
window so_far as (
    partition by windows.player_id
    order by windows.event_timestamp
    rows between unbounded preceding and current row
)

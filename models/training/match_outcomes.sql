-- The spine: every match, and whether the player won it.
select
    player_id,
    game_mode,
    event_at as event_timestamp,
    coalesce(match_won, false) as won
from {{ ref('stg_events') }}
where event_name = 'match_end'
    and game_mode is not null
    and event_at <= {{ watermark() }}

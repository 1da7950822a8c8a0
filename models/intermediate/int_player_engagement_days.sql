{{ config(materialized='view') }}

-- Daily tiles of engagement: what a player did, and the game features used for the first time.
select
    player_id,
    tile_start,
    available_at,
    created_timestamp,
    engagement_ms,
    levels_completed,
    completed_levels_sum,
    max_level,
    achievements_unlocked,
    0 as features_explored
from {{ ref('int_player_days') }}

union all

select
    player_id,
    tile_start,
    available_at,
    created_timestamp,
    0 as engagement_ms,
    0 as levels_completed,
    0 as completed_levels_sum,
    null as max_level,
    0 as achievements_unlocked,
    features_explored
from {{ ref('int_player_first_uses') }}

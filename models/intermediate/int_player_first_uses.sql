-- The first use of each game feature by each player, as a tile: counting these counts distinct features.
with uses as (

    select
        *,
        greatest({{ after('event_day', '1d') }}, ingested_at) as available_at
    from {{ ref('stg_events') }}
    where event_name = 'feature_used'
        and feature_name is not null

),

first_known as (

    select
        player_id,
        feature_name,
        event_day as tile_start,
        available_at,
        ingested_at as created_timestamp
    from uses
    where available_at <= {{ watermark() }}
        {% if is_incremental() %}
        and available_at > {{ since() }}
        and event_day >= {{ before(day_of(since()), (var('late_data_days') + 2) ~ 'd') }}
        {% endif %}
    -- fsync: allow FS008 because what is taken of a row is what orders it
    qualify row_number() over (
            partition by player_id, feature_name
            order by available_at, event_at, ingested_at
        ) = 1

)

select
    player_id,
    feature_name,
    tile_start,
    available_at,
    created_timestamp,
    1 as features_explored
from first_known
{% if is_incremental() %}
where not exists (
        select 1
        from {{ this }} as earlier
        where earlier.player_id = first_known.player_id
            and earlier.feature_name = first_known.feature_name
    )
{% endif %}

{{ config(materialized='table') }}

-- The latest of each attribute that a player's events carry; the snapshot over it keeps the values of before.
with latest as (

    select
        player_id,
        min(event_at) over (partition by player_id) as first_seen_at,
        platform,
        country,
        language,
        app_version,
        acquisition_medium,
        difficulty,
        marketing_consent,
        max(ingested_at) over (partition by player_id) as known_at
    from {{ ref('stg_events') }}
    where ingested_at <= {{ watermark() }}
    qualify row_number() over (
            partition by player_id
            order by event_at desc, ingested_at desc, event_name, bundle_sequence
        ) = 1

)

select *
from latest

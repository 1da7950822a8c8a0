{{ config(
    unique_key='player_id',
    incremental_strategy='merge' if target.type == 'bigquery' else 'delete+insert',
    partition_by=none
) }}

-- What a player's latest event says of them; the snapshot over it keeps the values of before.
with new_events as (

    select
        player_id,
        event_at as first_seen_at,
        event_at as last_event_at,
        platform,
        country,
        language,
        app_version,
        acquisition_medium,
        difficulty,
        marketing_consent,
        ingested_at as known_at
    from {{ ref('stg_events') }}
    where ingested_at <= {{ watermark() }}
        {% if is_incremental() %}
        and ingested_at > {{ since('known_at') }}
        {% endif %}

),

states as (

    select * from new_events
    {% if is_incremental() %}
    union all
    select earlier.* from {{ this }} as earlier
    where earlier.player_id in (select new_events.player_id from new_events)
    {% endif %}

),

latest as (

    select
        player_id,
        -- fsync: allow FS002 because the row is stamped with the newest of its inputs, known_at
        min(first_seen_at) over (partition by player_id) as first_seen_at,
        last_event_at,
        platform,
        country,
        language,
        app_version,
        acquisition_medium,
        difficulty,
        marketing_consent,
        -- fsync: allow FS002 because this is the stamp
        max(known_at) over (partition by player_id) as known_at
    from states
    -- fsync: allow FS008 because rows that tie are the same but for times that the window above takes of all
    qualify row_number() over (
            partition by player_id
            order by
                last_event_at desc, platform, country, language, app_version, acquisition_medium, difficulty,
                marketing_consent
        ) = 1

)

select *
from latest

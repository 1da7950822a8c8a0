{{ config(
    materialized='incremental',
    incremental_strategy='merge' if target.type == 'bigquery' else 'append',
    on_schema_change='fail',
    partition_by={'field': 'event_day', 'data_type': 'timestamp', 'granularity': 'day'} if target.type == 'bigquery' else none,
    cluster_by=['player_id'] if target.type == 'bigquery' else none
) }}

with

{% if is_incremental() %}
known as (

    select
        {{ since('ingested_at') }} as watermark,
        {{ before(day_of(since('ingested_at')), (var('late_data_days') + 1) ~ 'd') }} as oldest_day

),
{% endif %}

exported as (

    select
        coalesce(user_id, user_pseudo_id) as player_id,
        {{ from_micros('event_timestamp') }} as event_at,
        {{ from_micros('event_timestamp + greatest(coalesce(event_server_timestamp_offset, 0), 0)') }} as uploaded_at,
        {{ day_of(from_micros('event_timestamp')) }} as event_day,
        event_name,
        coalesce(event_bundle_sequence_id, 0) as bundle_sequence,

        {{ event_param('ga_session_id', 'int') }} as session_id,
        {{ event_param('engagement_time_msec', 'int') }} as engagement_ms,
        {{ event_param('level', 'int') }} as level,
        {{ event_param('success', 'boolean') }} as level_succeeded,
        {{ event_param('score', 'int') }} as score,
        {{ event_param('game_mode') }} as game_mode,
        {{ event_param('won', 'boolean') }} as match_won,
        {{ event_param('feature_name') }} as feature_name,
        cast(round(coalesce(event_value_in_usd, 0) * 1000000) as {{ dbt.type_bigint() }}) as value_micros,

        platform,
        geo.country as country,
        device.language as language,
        app_info.version as app_version,
        traffic_source.medium as acquisition_medium,
        {{ event_param('difficulty', column='user_properties') }} as difficulty,
        {{ event_param('marketing_consent', 'boolean', column='user_properties') }} as marketing_consent
    from {{ ref('base_firebase_events') }}
    where event_timestamp is not null
        {% if is_incremental() %}
        and event_timestamp >= (select {{ micros('oldest_day') }} from known)
        {% endif %}

),

on_time as (

    select *
    from exported
    where uploaded_at <= {{ after('event_day', (var('late_data_days') + 1) ~ 'd') }}
        {% if var('known_until') %}
        and uploaded_at <= cast('{{ var('known_until') }}' as timestamp)
        {% endif %}

),

-- A client that retries uploads an event again: its first upload counts.
deduplicated as (

    select *
    from on_time
    -- fsync: allow FS008 because uploads that tie are copies of one another
    qualify row_number() over (
        partition by player_id, event_at, event_name, bundle_sequence
        order by uploaded_at
    ) = 1

),

arrived as (

    select
        deduplicated.*,
        {% if is_incremental() %}
        -- Rows up to the watermark are final downstream, so an upload that was loaded behind it counts as known just after it.
        greatest(uploaded_at, {{ from_micros(micros('known.watermark') ~ ' + 1') }}) as ingested_at
        {% else %}
        uploaded_at as ingested_at
        {% endif %}
    from deduplicated
    {% if is_incremental() %}
    cross join known
    where not exists (
        select 1
        from {{ this }} as staged
        where staged.event_day >= {{ before(day_of(since('ingested_at')), (var('late_data_days') + 1) ~ 'd') }}
            and staged.event_at = deduplicated.event_at
            and staged.event_name = deduplicated.event_name
            and staged.bundle_sequence = deduplicated.bundle_sequence
            and staged.player_id = deduplicated.player_id
    )
    {% endif %}

)

select
    player_id,
    event_at,
    ingested_at,
    uploaded_at,
    event_day,
    event_name,
    bundle_sequence,
    session_id,
    engagement_ms,
    level,
    level_succeeded,
    score,
    game_mode,
    match_won,
    feature_name,
    value_micros,
    platform,
    country,
    language,
    app_version,
    acquisition_medium,
    difficulty,
    marketing_consent
from arrived
where player_id is not null

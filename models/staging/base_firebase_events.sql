-- Seed and export brought to one shape: the export's own nested records.
{% if env_var('FSYNC_RAW_EVENTS', var('raw_events')) == 'seed' %}
select
    event_timestamp,
    event_name,
    {{ json_records('event_params') }} as event_params,
    event_bundle_sequence_id,
    event_server_timestamp_offset,
    event_value_in_usd,
    user_id,
    user_pseudo_id,
    {{ json_records('user_properties') }} as user_properties,
    {{ json_struct('device', ['language']) }} as device,
    {{ json_struct('geo', ['country']) }} as geo,
    {{ json_struct('app_info', ['version']) }} as app_info,
    {{ json_struct('traffic_source', ['medium']) }} as traffic_source,
    platform
from {{ ref('firebase_events') }}
{% else %}
select
    event_timestamp,
    event_name,
    event_params,
    event_bundle_sequence_id,
    event_server_timestamp_offset,
    event_value_in_usd,
    user_id,
    user_pseudo_id,
    user_properties,
    device,
    geo,
    app_info,
    traffic_source,
    platform
from {{ source('firebase', 'events') }}
{% endif %}

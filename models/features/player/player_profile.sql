select
    player_id,
    dbt_valid_from as event_timestamp,
    dbt_valid_from as created_timestamp,
    platform,
    country,
    language,
    app_version,
    acquisition_medium,
    difficulty,
    marketing_consent,
    first_seen_at
from {{ ref('player_profile_history') }}
{% if is_incremental() %}
where dbt_valid_from > {{ since('event_timestamp') }}
{% endif %}

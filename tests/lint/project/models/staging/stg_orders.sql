select
    player_id,
    event_at,
    loaded_at,
    amount
from {{ ref('orders') }}

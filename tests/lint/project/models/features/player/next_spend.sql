select
    orders.player_id,
    orders.event_at as event_timestamp,
    orders.loaded_at as created_timestamp,
    coalesce(tomorrow.amount, 0) as next_amount
from {{ ref('stg_orders') }} as orders
left join {{ ref('stg_orders') }} as tomorrow
    on orders.player_id = tomorrow.player_id
        and cast(tomorrow.event_at as date) = cast(orders.event_at as date) + 1

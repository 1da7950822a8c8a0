-- What each order makes of the sums so far, as known when it came.
select
    orders.player_id,
    greatest(orders.event_at, orders.loaded_at) as event_timestamp,
    orders.loaded_at as created_timestamp,
    sum(orders.amount) over (
        partition by orders.player_id
        order by orders.loaded_at
    ) as spent,
    regions.region
from {{ ref('stg_orders') }} as orders
left join {{ ref('regions') }} as regions on orders.player_id = regions.player_id



-- Two blank lines stand above, which dbt takes away.
select
    orders.player_id,
    orders.event_at as event_timestamp,
    spend.spent,
    orders.amount > 10 as won
from {{ ref('stg_orders') }} as orders
left join {{ ref('spend') }} as spend
    on orders.player_id = spend.player_id

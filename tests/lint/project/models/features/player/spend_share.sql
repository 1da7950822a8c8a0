with totals as (

    select
        player_id,
        sum(amount) as spent
    from {{ ref('stg_orders') }}
    group by player_id

)

select
    orders.player_id,
    orders.event_at as event_timestamp,
    orders.loaded_at as created_timestamp,
    orders.amount / totals.spent as share
from {{ ref('stg_orders') }} as orders
inner join totals on orders.player_id = totals.player_id

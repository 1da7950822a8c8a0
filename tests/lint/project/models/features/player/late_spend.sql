{{ config(meta={'created_timestamp': none}) }}

-- Late orders change rows that were final.
select
    player_id,
    event_at as event_timestamp,
    sum(amount) over (
        partition by player_id
        order by event_at
    ) as spent
from {{ ref('stg_orders') }}

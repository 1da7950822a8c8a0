{{ config(materialized='view') }}

select max(ingested_at) as watermark
from {{ ref('stg_events') }}

{{ config(materialized='incremental') }}
{{ bounded() }}

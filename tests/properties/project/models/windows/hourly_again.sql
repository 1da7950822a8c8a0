{{ config(materialized='incremental') }}
{{ hourly() }}

{{ config(materialized='view') }}
{{ hourly() }}

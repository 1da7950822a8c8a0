{{ config(materialized='view') }}
{{ bounded() }}

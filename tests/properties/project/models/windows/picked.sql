{{ config(materialized='view') }}
{{ picked() }}

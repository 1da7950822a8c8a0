{{ config(materialized='incremental') }}
{{ picked() }}

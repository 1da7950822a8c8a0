{{ config(materialized='incremental') }}
{{ summed() }}

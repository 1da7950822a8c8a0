{{ config(materialized='view') }}
{{ summed() }}

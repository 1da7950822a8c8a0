{#- Midnight UTC at the start of an instant's week, a Monday; dbt's own date_trunc starts weeks on Sunday on BigQuery. -#}
{% macro week_of(timestamp) -%}
    {{ adapter.dispatch('week_of', 'fsync')(timestamp) }}
{%- endmacro %}

{% macro default__week_of(timestamp) -%}
    cast(date_trunc('week', {{ timestamp }}) as timestamp)
{%- endmacro %}

{% macro bigquery__week_of(timestamp) -%}
    timestamp_trunc({{ timestamp }}, isoweek)
{%- endmacro %}

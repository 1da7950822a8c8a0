{#- One row for each UTC day between two instants, both days included, as midnight: stands after `from`. -#}
{% macro _each_day(first, last, alias) -%}
    {{ adapter.dispatch('_each_day', 'fsync')(first, last, alias) }}
{%- endmacro %}

{% macro default___each_day(first, last, alias) -%}
    cross join unnest(generate_series({{ fsync.day_of(first) }}, {{ fsync.day_of(last) }}, interval 1 day)) as days({{ alias }})
{%- endmacro %}

{% macro bigquery___each_day(first, last, alias) -%}
    cross join unnest(generate_timestamp_array({{ fsync.day_of(first) }}, {{ fsync.day_of(last) }}, interval 1 day)) as {{ alias }}
{%- endmacro %}

{#- The UTC timestamp of a number of microseconds since 1970-01-01. -#}
{% macro from_micros(micros) -%}
    {{ adapter.dispatch('from_micros', 'fsync')(micros) }}
{%- endmacro %}

{% macro default__from_micros(micros) -%}
    make_timestamp({{ micros }})
{%- endmacro %}

{% macro bigquery__from_micros(micros) -%}
    timestamp_micros({{ micros }})
{%- endmacro %}

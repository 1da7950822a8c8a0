{#-
  Microseconds since 1970-01-01 UTC of a timestamp with zone, without zone (taken as UTC) or a date (its first instant),
  whatever time zone the session has.
-#}
{% macro micros(timestamp) -%}
    {{ adapter.dispatch('micros', 'fsync')(timestamp) }}
{%- endmacro %}

{% macro default__micros(timestamp) -%}
    epoch_us({{ timestamp }})
{%- endmacro %}

{% macro bigquery__micros(timestamp) -%}
    unix_micros(timestamp({{ timestamp }}))
{%- endmacro %}

{#- The 64-bit floating type; dbt's own type_float is 32 bits on DuckDB. -#}
{% macro type_double() -%}
    {{ adapter.dispatch('type_double', 'fsync')() }}
{%- endmacro %}

{% macro default__type_double() -%}
    double
{%- endmacro %}

{% macro bigquery__type_double() -%}
    float64
{%- endmacro %}

{#-
  JSON text of a Firebase record -> a struct of its text fields.

    '{"country":"Chile"}'   json_struct('geo', ['country', 'city'])   ->   {country: Chile, city: null}
-#}
{% macro json_struct(column, fields) -%}
    {{ adapter.dispatch('json_struct', 'fsync')(column, fields) }}
{%- endmacro %}

{% macro default__json_struct(column, fields) -%}
    from_json({{ column }}, '{ {%- for field in fields %}"{{ field }}": "VARCHAR"{{ ', ' if not loop.last }}{% endfor -%} }')
{%- endmacro %}

{% macro bigquery__json_struct(column, fields) -%}
    struct({% for field in fields %}json_value({{ column }}, '$.{{ field }}') as {{ field }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

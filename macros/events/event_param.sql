{#-
  The value of one event parameter (or user property) of a Firebase export row.

    event_params                                              event_param('level', 'int')
    [{key: level, value: {int_value: 7}}, {key: ...}]    ->   7

  A key that is absent, or holds another type, gives NULL.
-#}
{% macro event_param(key, type='string', column='event_params') -%}
    {%- if type not in ('string', 'int', 'double', 'boolean') -%}
        {{ exceptions.raise_compiler_error("event_param: type must be string, int, double or boolean, not '" ~ type ~ "'") }}
    {%- endif -%}
    {{ adapter.dispatch('event_param', 'fsync')(key, type, column) }}
{%- endmacro %}

{% macro default__event_param(key, type, column) -%}
    {{ fsync._record_value("list_filter(" ~ column ~ ", lambda p: p.key = '" ~ key ~ "')[1].value", type) }}
{%- endmacro %}

{% macro bigquery__event_param(key, type, column) -%}
    (select {{ fsync._record_value('p.value', type) }} from unnest({{ column }}) as p where p.key = '{{ key }}' limit 1)
{%- endmacro %}

{#- Exports write one parameter with several types over the years, so each reads what it can without loss. -#}
{% macro _record_value(value, type) -%}
    {%- if type == 'int' -%}
        coalesce({{ value }}.int_value, {{ dbt.safe_cast(value ~ '.string_value', api.Column.translate_type('bigint')) }})
    {%- elif type == 'double' -%}
        coalesce({{ value }}.double_value, {{ value }}.float_value, {{ value }}.int_value)
    {%- elif type == 'boolean' -%}
        coalesce({{ value }}.int_value = 1, lower({{ value }}.string_value) in ('1', 'true'))
    {%- else -%}
        coalesce({{ value }}.string_value, cast({{ value }}.int_value as {{ dbt.type_string() }}))
    {%- endif -%}
{%- endmacro %}

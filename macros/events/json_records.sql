{#-
  JSON text of a Firebase repeated record -> the nested record that the export itself holds.

    '[{"key":"level","value":{"int_value":7}}]'   ->   [{key: level, value: {string_value: null, int_value: 7, ...}}]
-#}
{% macro json_records(column) -%}
    {{ adapter.dispatch('json_records', 'fsync')(column) }}
{%- endmacro %}

{% macro default__json_records(column) -%}
    from_json({{ column }}, '[{"key": "VARCHAR", "value": {"string_value": "VARCHAR", "int_value": "BIGINT", "float_value": "DOUBLE", "double_value": "DOUBLE"}}]')
{%- endmacro %}

{% macro bigquery__json_records(column) -%}
    array(
        select as struct
            json_value(p, '$.key') as key,
            struct(
                json_value(p, '$.value.string_value') as string_value,
                safe_cast(json_value(p, '$.value.int_value') as int64) as int_value,
                safe_cast(json_value(p, '$.value.float_value') as float64) as float_value,
                safe_cast(json_value(p, '$.value.double_value') as float64) as double_value
            ) as value
        from unnest(json_query_array({{ column }})) as p
    )
{%- endmacro %}

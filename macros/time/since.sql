{#-
  Where an incremental run of the current model goes on: its newest `column`, as a scalar; the epoch when the model is
  empty. A subquery on DuckDB. BigQuery skips partitions only for what is constant, so there the instant is asked for
  first and stands in the query as a literal.
-#}
{% macro since(column='available_at') -%}
    {{ return(adapter.dispatch('since', 'fsync')(column)) }}
{%- endmacro %}

{% macro default__since(column) -%}
    (select coalesce(max({{ column }}), {{ fsync.from_micros(0) }}) from {{ this }})
{%- endmacro %}

{% macro bigquery__since(column) -%}
    {#- In a unit test `this` is the name of the rows given, a string; without introspection there is nobody to ask. -#}
    {%- if not execute or flags.INTROSPECT is false or this is string or not is_incremental() -%}
        {{ return(fsync.default__since(column)) }}
    {%- endif -%}
    {%- set newest = 'select unix_micros(max(' ~ column ~ ')) from ' ~ this -%}
    {{ return(fsync.from_micros(run_query(newest).columns[0].values()[0] or 0)) }}
{%- endmacro %}

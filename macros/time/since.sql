{#-
  Where an incremental run of the current model goes on: its newest `column`, as a scalar subquery; the epoch when the
  model is empty.
-#}
{% macro since(column='available_at') -%}
    (select coalesce(max({{ column }}), {{ fsync.from_micros(0) }}) from {{ this }})
{%- endmacro %}

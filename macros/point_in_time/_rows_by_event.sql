{#-
  The parts of the point-in-time join that DuckDB runs. `_order` is a 128-bit number, one instant in microseconds * 2^64 plus
  another, which settles ties.
-#}

{#- Rows that count from their event on: by the event timestamp, then created. -#}
{% macro _rows_by_event(join, in_time_only, known_until) -%}
    {%- set event = fsync._event_micros(join.view) -%}
    {%- set created = fsync._created_micros(join.view) -%}
    {{ fsync._rows_in_order(join, event, created, known_until) }}
    {%- if in_time_only %}
    and {{ created }} <= {{ event }}
    {%- endif %}
{%- endmacro %}

{#-
  Rows that came to be known after their event, by created, then event; but only those with the newest event so far: a late
  row about the past never hides what is newer.
-#}
{% macro _late_rows(join, known_until) -%}
    {%- set event = fsync._event_micros(join.view) -%}
    {%- set created = fsync._created_micros(join.view) -%}
    {{ fsync._rows_in_order(join, created, event, known_until) }}
    and {{ created }} > {{ event }}
qualify _event = max(_event) over (
    partition by {{ join.view['keys'] | join(', ') }}
    order by _order
    rows between unbounded preceding and current row
)
{%- endmacro %}

{% macro _rows_in_order(join, by, then, known_until) -%}
select
    {%- for key in join.view['keys'] %}
    {{ key }},
    {%- endfor %}
    rowid as _row,
    {{ fsync._event_micros(join.view) }} as _event,
    {{ by }}::hugeint * 18446744073709551616 + {{ then }} as _order
from {{ fsync._fetched_from(join) }}
{{ fsync._usable(join.view, known_until) }}
{%- endmacro %}

{% macro _asof(join, spine, rows) -%}
asof left join {{ rows }}
        on {% for key in join.view['keys'] %}{{ spine }}.{{ key }} = {{ rows }}.{{ key }} and {% endfor -%}
        {#- All rows of the spine's own instant, and none of the next. #}
        ({{ spine }}._at + 1)::hugeint * 18446744073709551616 - 9223372036854775809 >= {{ rows }}._order
{%- endmacro %}

{% macro _fetched_from(join) -%}
    {{ return(join.view.relation if fsync._has_row_ids(join.view) else join.rows ~ '_numbered') }}
{%- endmacro %}

{#- Not those of a unit test, nor of a relation that dbt renders as a subquery. -#}
{% macro _has_row_ids(view) -%}
    {{ return(view.materialized in ('table', 'incremental') and not modules.re.match('[(]|__dbt__cte__', view.relation | string)) }}
{%- endmacro %}

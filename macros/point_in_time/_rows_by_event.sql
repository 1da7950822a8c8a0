{#-
  The parts of the point-in-time join that DuckDB runs. Rows are sorted by entity, by `_at`, then by `_then`, which settles ties;
  a spine row has none and comes last of its instant. An entity is the number that the spine's keys have there, whatever their types.
-#}

{#- From the second view on they wait for the view before, whose memory is free by then. -#}
{% macro _keys_of_spine(join, before) -%}
select
    {%- for key in join.view['keys'] %}
    {{ key }},
    {%- endfor %}
    max(_at) as _until,
    row_number() over ()::integer as _key
from spine
{%- if before %}
where exists (select 1 from {{ before }})
{%- endif %}
group by {{ join.view['keys'] | join(', ') }}
{%- endmacro %}

{#- Rows that count from their event on: by the event timestamp, then created. -#}
{% macro _rows_by_event(join, in_time_only, known_until) -%}
    {%- set event = fsync._event_micros(join.view, 'feature_rows.') -%}
    {%- set created = fsync._created_micros(join.view, 'feature_rows.') -%}
    {{ fsync._rows_in_order(join, event, created, fsync._rank(join) if in_time_only else 'feature_rows.rowid', known_until) }}
    {%- if in_time_only %}
    and {{ created }} <= {{ event }}
    {%- endif %}
{%- endmacro %}

{#-
  Rows that came to be known after their event, by created, then event; but only those with the newest event so far: a late
  row about the past never hides what is newer.
-#}
{% macro _late_rows(join, known_until) -%}
    {%- set event = fsync._event_micros(join.view, 'feature_rows.') -%}
    {%- set created = fsync._created_micros(join.view, 'feature_rows.') -%}
    {{ fsync._rows_in_order(join, created, event, fsync._rank(join, late=true), known_until) }}
    and {{ created }} > {{ event }}
qualify _then = max(_then) over (
    partition by _key
    order by _at, _then
    rows between unbounded preceding and current row
)
{%- endmacro %}

{#- A number of 128 bits that is greater for the newer row: by event and, of one event, the late row; it ends in the row id. -#}
{% macro _rank(join, late=false) -%}
    {%- set event = fsync._event_micros(join.view, 'feature_rows.') -%}
    {{ return(event ~ '::hugeint * 18446744073709551616 + ' ~ ('9223372036854775808 + ' if late else '') ~ 'feature_rows.rowid') }}
{%- endmacro %}

{% macro _rows_in_order(join, at, then, row, known_until) -%}
select
    spine_keys._key,
    {{ at }} as _at,
    {{ then }} as _then,
    {{ row }} as _row
from {{ fsync._fetched_from(join) }} as feature_rows
inner join {{ join.rows }}_keys as spine_keys
    on {{ fsync._asked_for(join, 'feature_rows', at) }}
{{ fsync._usable(join.view, known_until, 'feature_rows.') }}
{%- endmacro %}

{#- Of each spine row, the last row of its instant or before. -#}
{% macro _newest_rows(join) -%}
select
    _number,
    _key,
    _at,
    {{ fsync._last('_row') }} as _row
from (
    select
        _key,
        _at,
        _then,
        _row,
        null as _number
    from {{ join.rows }}
    union all
    select
        spine_keys._key,
        spine._at,
        null,
        null,
        spine._number
    from spine
    left join {{ join.rows }}_keys as spine_keys
        on {{ fsync._asked_for(join, 'spine', 'spine._at') }}
)
qualify _number is not null
{%- endmacro %}

{#- The same, or the last late row if it is newer. -#}
{% macro _newest_known_rows(join) -%}
select
    _number,
    _at,
    (greatest(_row, {{ fsync._last('_late_row') }}) & 9223372036854775807)::bigint as _row
from (
    select
        _key,
        _at,
        _then,
        null as _row,
        _row as _late_row,
        null as _number
    from {{ join.rows }}_late
    union all
    select
        _key,
        _at,
        null,
        _row,
        null,
        _number
    from {{ join.rows }}_in_time
)
qualify _number is not null
{%- endmacro %}

{% macro _last(column) -%}
last_value({{ column }} ignore nulls) over (
        partition by _key
        order by _at, _then nulls last
        rows between unbounded preceding and current row
    )
{%- endmacro %}

{% macro _features(join, after) -%}
    {%- set event = fsync._event_micros(join.view, 'feature_rows.') -%}
    {%- set within_ttl = fsync._within_ttl(join, event, 'found._at') -%}
select
    found._number
    {%- for feature in join.features %},
    case when {{ within_ttl }} then feature_rows.{{ feature.column }} else {{ feature.default }} end as {{ feature.alias }}
    {%- endfor %}
    {%- if join.age %},
    case when {{ within_ttl }} then (found._at - {{ event }}) / 1000000 end as {{ join.age }}
    {%- endif %}
from {{ '(select * from ' ~ join.rows ~ '_found where exists (select 1 from ' ~ after ~ '))' if after else join.rows ~ '_found' }} as found
left join {{ fsync._fetched_from(join) }} as feature_rows
    on found._row = feature_rows.rowid
{%- endmacro %}

{#- Rows of the spine's entities, none from after the last instant of each. -#}
{% macro _asked_for(join, side, at) -%}
    {%- for key in join.view['keys'] -%}
        {{ side }}.{{ key }} = spine_keys.{{ key }} and {% endfor -%}
        {{ at }} <= spine_keys._until
{%- endmacro %}

{% macro _fetched_from(join) -%}
    {{ return(join.view.relation if fsync._has_row_ids(join.view) else join.rows ~ '_numbered') }}
{%- endmacro %}

{#- Not those of a unit test, nor of a relation that dbt renders as a subquery. -#}
{% macro _has_row_ids(view) -%}
    {{ return(view.materialized in ('table', 'incremental') and not modules.re.match('[(]|__dbt__cte__', view.relation | string)) }}
{%- endmacro %}

{#-
  The features as they were known at each row's own instant.

    spine                          player_sessions                                     result
    player_id | event_timestamp    player_id | event_timestamp | sessions_last_7d      player_id | event_timestamp | sessions_last_7d
    p1        | 05-03 12:00        p1        | 05-03 00:00     | 2                     p1        | 05-03 12:00     | 2
    p1        | 05-02 12:00        p1        | 05-04 00:00     | 5                     p1        | 05-02 12:00     | null

  Per spine row at t, of the view's rows with the same keys, event_timestamp <= t and (as known) created_timestamp <= t: the
  greatest (event_timestamp, created_timestamp), if its event timestamp is within the view's ttl: t - ttl <= event_timestamp.
  Otherwise NULL, or the feature's declared default. Every spine row comes out exactly once, also with a NULL key.

  With `known_until`, rows created after that instant do not exist: the same training set can be made again later.
-#}
{% macro point_in_time_join(
    spine, features, timestamp='event_timestamp', as_known_at=true, full_names=false, known_until=none, ages=false, defaults=true
) -%}
    {%- if known_until and not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z?)?', known_until | string) -%}
        {{ exceptions.raise_compiler_error("point_in_time_join: `known_until` is an instant in UTC, '2026-05-31T00:00:00Z'; got '" ~ known_until ~ "'") }}
    {%- endif -%}
    {%- set plan = fsync._join_plan(features, full_names, ages, defaults) -%}
    {%- if not execute -%}
        {{ return('select * from ' ~ spine) }}
    {%- endif -%}
    {{ return(adapter.dispatch('point_in_time_join', 'fsync')(spine, plan, timestamp, as_known_at, known_until)) }}
{%- endmacro %}

{#-
  The spine's rows and a view's in one order of time, in which each spine row takes the last feature row before it. What is
  sorted are numbers (entity, instants, row id), and the features are fetched for the rows that were found: less to sort, less to
  hold. As known, late rows are looked up apart from those that were known in time, of which none ever hides another; so only the
  late ones pay for being late. (An ASOF join of DuckDB holds what it sorted until the query ends: three views, three times the
  memory.)
-#}
{% macro default__point_in_time_join(spine, plan, timestamp, as_known_at, known_until) -%}
with spine as materialized (

    select
        *,
        {{ fsync.micros(timestamp) }} as _at,
        row_number() over () as _number
    from {{ spine }}

)
{%- for join in plan %},
{% set known = as_known_at and join.view.created -%}
{%- if not fsync._has_row_ids(join.view) %}
{{ join.rows }}_numbered as materialized (

    select
        *,
        row_number() over () as rowid
    from {{ join.view.relation }}

),
{% endif %}
{{ join.rows }}_keys as materialized (

    {{ fsync._keys_of_spine(join, none if loop.first else plan[loop.index0 - 1].rows ~ '_found') | indent(4) }}

),

{{ join.rows }} as (

    {{ fsync._rows_by_event(join, known, known_until) | indent(4) }}

),
{% if known %}
{{ join.rows }}_late as (

    {{ fsync._late_rows(join, known_until) | indent(4) }}

),

{{ join.rows }}_in_time as (

    {{ fsync._newest_rows(join) | indent(4) }}

),

{{ join.rows }}_found as materialized (

    {{ fsync._newest_known_rows(join) | indent(4) }}

)
{%- else %}
{{ join.rows }}_found as materialized (

    {{ fsync._newest_rows(join) | indent(4) }}

)
{%- endif %}
{%- endfor %}
{%- for join in plan %},

{{ join.rows }}_features as (

    {{ fsync._features(join, none if loop.last else plan[-1].rows ~ '_found') | indent(4) }}

)
{%- endfor %}

select
    spine.* exclude (_at, _number)
    {%- for join in plan %}
    {%- for feature in join.features %},
    {{ join.rows }}_features.{{ feature.alias }}
    {%- endfor %}
    {%- if join.age %},
    {{ join.rows }}_features.{{ join.age }}
    {%- endif %}
    {%- endfor %}
from spine
{%- for join in plan %}
left join {{ join.rows }}_features
    on spine._number = {{ join.rows }}_features._number
{%- endfor %}
{%- endmacro %}

{#-
  BigQuery has no ASOF join, and a range join degrades with skew: spine and feature rows are put in one order of time
  instead, and each spine row takes the last feature row before it. The spine row travels whole, so it needs no key.
-#}
{% macro bigquery__point_in_time_join(spine, plan, timestamp, as_known_at, known_until) -%}
with joined_0 as (

    select
        spine as _spine,
        {{ fsync.micros('spine.' ~ timestamp) }} as _at
    from {{ spine }} as spine

)
{%- for join in plan %},

{{ join.rows }} as (

    {{ fsync._feature_rows(join, as_known_at, known_until) | indent(4) }}

),

timeline_{{ loop.index }} as (

    select
        _spine,
        _at,
        {%- for earlier in plan[:loop.index0] %}
        {{ earlier.rows }},
        {%- endfor %}
        {%- for key in join.view['keys'] %}
        _spine.{{ key }} as _key_{{ loop.index }},
        {%- endfor %}
        _at as _available,
        true as _is_spine,
        cast(null as int64) as _event,
        cast(null as int64) as _created,
        null as _row
    from joined_{{ loop.index0 }}

    union all

    select
        null,
        null,
        {%- for earlier in plan[:loop.index0] %}
        null,
        {%- endfor %}
        {%- for key in join.view['keys'] %}
        {{ key }},
        {%- endfor %}
        _available,
        false,
        _event,
        _created,
        struct(_event{% for feature in join.features %}, {{ feature.column }}{% endfor %})
    from {{ join.rows }}

),

filled_{{ loop.index }} as (

    select
        *,
        last_value(_row ignore nulls) over (
            partition by {% for key in join.view['keys'] %}_key_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
            order by _available, _is_spine, _event, _created
            rows between unbounded preceding and current row
        ) as _found
    from timeline_{{ loop.index }}

),

joined_{{ loop.index }} as (

    select
        _spine,
        _at,
        {%- for earlier in plan[:loop.index0] %}
        {{ earlier.rows }},
        {%- endfor %}
        case when _at is not null then _found end as {{ join.rows }}
    from filled_{{ loop.index }}
    where _is_spine

)
{%- endfor %}

select
    _spine.*
    {%- for join in plan %}
    {%- for feature in join.features %},
    case when {{ fsync._within_ttl(join, join.rows ~ '._event', '_at') }} then {{ join.rows }}.{{ feature.column }} else {{ feature.default }} end as {{ feature.alias }}
    {%- endfor %}
    {%- if join.age %},
    case when {{ fsync._within_ttl(join, join.rows ~ '._event', '_at') }} then (_at - {{ join.rows }}._event) / 1000000 end as {{ join.age }}
    {%- endif %}
    {%- endfor %}
from joined_{{ plan | length }}
{%- endmacro %}

{#-
  Trailing windows over tiles, as change points: one row per key and instant at which a value changes, also when a tile
  leaves a window, so that whoever goes quiet falls to zero on the right day.

    tiles                                                          {'plays_7d': {'sum': 'plays', 'window': '7d'}}
    player_id | tile_start | available_at     | plays              player_id | event_timestamp  | plays_7d
    p1        | 2026-05-01 | 2026-05-02 00:00 |     3       ->     p1        | 2026-05-02 00:00 |        3
    p1        | 2026-05-01 | 2026-05-02 09:30 |     1              p1        | 2026-05-02 09:30 |        4   (late)
                                                                   p1        | 2026-05-09 00:00 |        0

  A tile enters when it is available and leaves a window after its end: the window is (t - window, t] in tile ends.
  Rows are final when written: they reach up to `until`, an incremental run appends those after its newest row.
-#}
{% macro trailing_windows(tiles, keys, features, until, tile='1d') -%}
    {{ adapter.dispatch('trailing_windows', 'fsync')(tiles, keys, fsync._window_plan(features, tile), until, tile, is_incremental()) }}
{%- endmacro %}

{% macro default__trailing_windows(tiles, keys, plan, until, tile, incremental) -%}
{%- set since_newest = fsync.since('event_timestamp') -%}
with all_tiles as (

    select
        *,
        {{ fsync.after('tile_start', tile) }} as tile_end,
        {{ fsync._entered_at(tile) }} as entered_at
    from {{ tiles }}
    where {{ fsync._entered_at(tile) }} <= {{ until }}
    {%- for key in keys %} and {{ key }} is not null {%- endfor %}

),
{% if incremental and plan.unbounded %}
-- Only keys with something to append, but all of their tiles: a total needs its whole past.
touched as (

    select distinct {{ keys | join(', ') }}
    from all_tiles
    where entered_at > {{ since_newest }}
    {%- for window in plan.windows %}
        or ({{ fsync.after('tile_end', window) }} > {{ since_newest }} and {{ fsync.after('tile_end', window) }} <= {{ until }})
    {%- endfor %}

),
{% endif %}
live_tiles as (

    select
        all_tiles.*
        {{- fsync._flags(plan, keys) }}
    from all_tiles
    {%- if incremental and plan.unbounded %}
    inner join touched on {{ fsync._on_keys(keys, 'all_tiles', 'touched') }}
    {%- elif incremental %}
    where greatest(entered_at, {{ fsync.after('tile_end', plan.longest) }}) > {{ since_newest }}
    {%- endif %}

),
{{ fsync._spans(plan, keys, until) }}
changes as (

    select
        {{ keys | join(', ') }},
        entered_at as event_timestamp,
        created_timestamp
        {{- fsync._entering(plan) }}
    from live_tiles
    {%- for window in plan.windows %}

    union all

    select
        {{ keys | join(', ') }},
        {{ fsync.after('tile_end', window) }},
        created_timestamp
        {{- fsync._leaving(plan, window) }}
    from live_tiles
    where entered_at < {{ fsync.after('tile_end', window) }}
        and {{ fsync.after('tile_end', window) }} <= {{ until }}
    {%- endfor %}
    {%- if plan.distincts %}

    union all

    select
        {{ keys | join(', ') }},
        instant,
        null
        {{- fsync._counted(plan) }}
    from distinct_changes
    {%- endif %}

),

instants as (

    select
        {{ keys | join(', ') }},
        {{ 'settled_at as ' if incremental and plan.unbounded }}event_timestamp,
        max(created_timestamp) as created_timestamp
        {%- for slot in plan.slots %},
        {{ slot.aggregate | default('sum') }}({{ slot.name }}) as {{ slot.name }}
        {%- endfor %}
    {%- if incremental and plan.unbounded %}
    -- What happened before any window that is still to be told is one instant: only its totals count.
    from (
        select
            *,
            greatest(event_timestamp, {{ fsync.before(since_newest, plan.longest) if plan.longest else since_newest }}) as settled_at
        from changes
    ) as settled
    group by {{ keys | join(', ') }}, settled_at
    {%- else %}
    from changes
    group by {{ keys | join(', ') }}, event_timestamp
    {%- endif %}

),

running as (

    select
        {{ keys | join(', ') }},
        event_timestamp,
        created_timestamp
        {%- for slot in plan.slots %},
        {% if slot.kind == 'extreme' -%}
        {{ slot.aggregate }}({{ slot.name }}) over {{ 'within_' ~ slot.window if slot.window else 'so_far' }} as {{ slot.name }}
        {%- else -%}
        cast(sum({{ slot.name }}) over so_far as {{ slot.type | default(dbt.type_bigint()) }}) as {{ slot.name }}
        {%- endif %}
        {%- endfor %}
    from instants
    window
        so_far as (
            partition by {{ keys | join(', ') }}
            order by event_timestamp
            rows between unbounded preceding and current row
        )
        {{- fsync._frames(plan, keys) }}

)
{{- fsync._late_tiles(plan, keys) }}
{{- fsync._picks(plan, keys) }}

select
    {%- for key in keys %}
    running.{{ key }},
    {%- endfor %}
    running.event_timestamp,
    running.created_timestamp
    {%- for name, expression in plan.expressions.items() %},
    {{ expression }} as {{ name }}
    {%- endfor %}
from running
{{- fsync._lookups(plan, keys) }}
{%- if incremental %}
where running.event_timestamp > {{ since_newest }}
{%- endif %}
{%- endmacro %}

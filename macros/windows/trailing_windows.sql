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
    {{ adapter.dispatch('trailing_windows', 'fsync')(tiles, keys, features, until, tile) }}
{%- endmacro %}

{% macro default__trailing_windows(tiles, keys, features, until, tile) -%}
{%- set plan = fsync._window_plan(features) -%}
{%- set since_newest = fsync.since('event_timestamp') -%}
with all_tiles as (

    select
        *,
        {{ fsync.after('tile_start', tile) }} as tile_end
    from {{ tiles }}
    where available_at <= {{ until }}
    {%- for key in keys %} and {{ key }} is not null {%- endfor %}

),
{% if is_incremental() and plan.unbounded %}
-- Only keys with something to append, but all of their tiles: a total needs its whole past.
touched as (

    select distinct {{ keys | join(', ') }}
    from all_tiles
    where available_at > {{ since_newest }}
    {%- for window in plan.windows %}
        or ({{ fsync.after('tile_end', window) }} > {{ since_newest }} and {{ fsync.after('tile_end', window) }} <= {{ until }})
    {%- endfor %}

),
{% endif %}
live_tiles as (

    select
        all_tiles.*
        {%- if plan.first_of_tile %},
        case
            when row_number() over (
                partition by {% for key in keys %}all_tiles.{{ key }}, {% endfor %}all_tiles.tile_start
                order by all_tiles.available_at
            ) = 1 then 1 else 0
        end as first_of_tile
        {%- endif %}
    from all_tiles
    {%- if is_incremental() and plan.unbounded %}
    inner join touched on {% for key in keys %}all_tiles.{{ key }} = touched.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- elif is_incremental() %}
    where {{ fsync.after('tile_end', plan.longest) }} > {{ since_newest }}
    {%- endif %}

),

changes as (

    select
        {{ keys | join(', ') }},
        available_at as event_timestamp,
        created_timestamp
        {%- for sum in plan.sums %},
        {% if sum.window -%}
        case when available_at < {{ fsync.after('tile_end', sum.window) }} then coalesce({{ sum.column }}, 0) else 0 end
        {%- else -%}
        coalesce({{ sum.column }}, 0)
        {%- endif %} as {{ sum.name }}
        {%- endfor %}
        {%- for extreme in plan.extremes %},
        {{ extreme.column }} as {{ extreme.name }}
        {%- endfor %}
    from live_tiles
    {% for window in plan.windows %}
    union all

    select
        {{ keys | join(', ') }},
        {{ fsync.after('tile_end', window) }},
        created_timestamp
        {%- for sum in plan.sums %},
        {{ '-coalesce(' ~ sum.column ~ ', 0)' if sum.window == window else '0' }}
        {%- endfor %}
        {%- for extreme in plan.extremes %},
        null
        {%- endfor %}
    from live_tiles
    where available_at < {{ fsync.after('tile_end', window) }}
        and {{ fsync.after('tile_end', window) }} <= {{ until }}
    {% endfor %}
),

instants as (

    select
        {{ keys | join(', ') }},
        event_timestamp,
        max(created_timestamp) as created_timestamp
        {%- for sum in plan.sums %},
        sum({{ sum.name }}) as {{ sum.name }}
        {%- endfor %}
        {%- for extreme in plan.extremes %},
        {{ extreme.aggregate }}({{ extreme.name }}) as {{ extreme.name }}
        {%- endfor %}
    from changes
    group by {{ keys | join(', ') }}, event_timestamp

),

running as (

    select
        {{ keys | join(', ') }},
        event_timestamp,
        created_timestamp
        {%- for sum in plan.sums %},
        cast(sum({{ sum.name }}) over so_far as {{ dbt.type_bigint() }}) as {{ sum.name }}
        {%- endfor %}
        {%- for extreme in plan.extremes %},
        {{ extreme.aggregate }}({{ extreme.name }}) over so_far as {{ extreme.name }}
        {%- endfor %}
    from instants
    window so_far as (
        partition by {{ keys | join(', ') }}
        order by event_timestamp
        rows between unbounded preceding and current row
    )

)

select
    {{ keys | join(', ') }},
    event_timestamp,
    created_timestamp
    {%- for name, expression in plan.expressions.items() %},
    {{ expression }} as {{ name }}
    {%- endfor %}
from running
{%- if is_incremental() %}
where event_timestamp > {{ since_newest }}
{%- endif %}
{%- endmacro %}

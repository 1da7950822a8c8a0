{#-
  What the parts of trailing_windows do that cannot be added and taken away again: max and min, and the ranks behind first
  and last. Over all time they only ever grow. Over a window, tiles that are on time leave in the order in which they
  came, so that a frame over time holds just those of the window. Late tiles leave sooner after they came: being few, they are
  looked up by the days on which they count, which is a join on equality however the tiles are distributed.
-#}
{% macro _frames(plan, keys) -%}
    {%- for window in plan.frames %},
        within_{{ window }} as (
            partition by {{ keys | join(', ') }}
            order by {{ fsync.micros('event_timestamp') }}
            range between {{ fsync.duration_seconds(window) * 1000000 - 1 }} preceding and current row
        )
    {%- endfor -%}
{%- endmacro %}

{% macro _late_tiles(plan, keys) -%}
    {%- if plan.looked_up -%}
,

late_tiles as (

    select
        {{ keys | join(', ') }},
        entered_at,
        tile_end,
        counts_on
        {%- for slot in plan.looked_up %},
        {{ slot.value }} as {{ slot.name }}
        {%- endfor %}
    from live_tiles
    {{ fsync._each_day('entered_at', fsync.after('tile_end', plan.longest_looked_up), 'counts_on') }}
    where entered_at > tile_end
        and entered_at < {{ fsync.after('tile_end', plan.longest_looked_up) }}

),

late as (

    select
        {%- for key in keys %}
        instants.{{ key }},
        {%- endfor %}
        instants.event_timestamp
        {%- for slot in plan.looked_up %},
        {{ slot.aggregate }}(
            case when instants.event_timestamp < {{ fsync.after('late_tiles.tile_end', slot.window) }} then late_tiles.{{ slot.name }} end
        ) as late_{{ slot.name }}
        {%- endfor %}
    from instants
    inner join late_tiles
        on {{ fsync._on_keys(keys, 'instants', 'late_tiles') }}
            and {{ fsync.day_of('instants.event_timestamp') }} = late_tiles.counts_on
            and instants.event_timestamp >= late_tiles.entered_at
    group by {% for key in keys %}instants.{{ key }}, {% endfor %}instants.event_timestamp

)
    {%- endif -%}
{%- endmacro %}

{% macro _picks(plan, keys) -%}
    {%- for pick in plan.picks -%}
,

{{ pick.name }} as (

    select
        {{ keys | join(', ') }},
        {{ pick.rank }},
        {{ pick.value }} as picked
    from live_tiles
    where {{ pick.rank }} is not null

)
    {%- endfor -%}
{%- endmacro %}

{% macro _lookups(plan, keys) -%}
    {%- if plan.looked_up %}
left join late
    on {{ fsync._on_keys(keys, 'running', 'late') }} and running.event_timestamp = late.event_timestamp
    {%- endif %}
    {%- for pick in plan.picks %}
left join {{ pick.name }}
    on {{ fsync._on_keys(keys, 'running', pick.name) }} and {{ pick.name }}.{{ pick.rank }} = {{ pick.chosen }}
    {%- endfor -%}
{%- endmacro %}

{#- The parts of trailing_windows: what a tile changes, and when. -#}

{#- A tile enters when it is known and complete. -#}
{% macro _entered_at(tile) -%}
    greatest(available_at, {{ fsync.after('tile_start', tile) }})
{%- endmacro %}

{% macro _on_keys(keys, left, right) -%}
    {%- for key in keys %}{{ left }}.{{ key }} = {{ right }}.{{ key }}{{ ' and ' if not loop.last }}{% endfor -%}
{%- endmacro %}

{% macro _flags(plan, keys) -%}
    {%- for first in plan.firsts %},
        case
            -- fsync: allow FS008 because tiles that tie enter at one instant, and one of them counts
            when {{ first.where ~ ' and ' if first.where }}row_number() over (
                partition by all_tiles.{{ keys | join(', all_tiles.') }}, tile_start{{ ', coalesce(' ~ first.where ~ ', false)' if first.where }}
                order by entered_at
            ) = 1 then 1 else 0
        end as {{ first.name }}
    {%- endfor %}
    {%- for pick in plan.picks %},
        case
            -- fsync: allow FS008 because rows that tie have one value
            when ({{ pick.value }}) is not null and {{ pick.by }} is not null then row_number() over (
                partition by all_tiles.{{ keys | join(', all_tiles.') }}
                order by {{ pick.by }}, entered_at, {{ pick.value }}
            )
        end as {{ pick.rank }}
    {%- endfor -%}
{%- endmacro %}

{#- The columns of one branch of changes: tiles that enter, tiles that leave a window, a value that comes or goes. -#}
{% macro _entering(plan) -%}
    {%- for slot in plan.slots %},
        {% if slot.kind == 'distinct' -%}
        0
        {%- elif slot.kind == 'sum' and slot.window -%}
        case when entered_at < {{ fsync.after('tile_end', slot.window) }} then {{ slot.value }} else 0 end
        {%- elif slot.window -%}
        case when entered_at = tile_end then {{ slot.value }} end
        {%- else -%}
        {{ slot.value }}
        {%- endif %} as {{ slot.name }}
    {%- endfor -%}
{%- endmacro %}

{% macro _leaving(plan, window) -%}
    {%- for slot in plan.slots %},
        {% if slot.kind == 'extreme' -%} null
        {%- elif slot.kind == 'sum' and slot.window == window -%} -{{ slot.value }}
        {%- else -%} 0
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{#-
  Exact distinct counts. The tiles that hold a value cover spans of time; where spans meet they are one. The count goes up
  where a span begins and down where it ends. Plain windows: a late tile may lengthen a span or fill a gap, no more.
-#}
{% macro _spans(plan, keys, until) -%}
    {%- for slot in plan.distincts if slot.window -%}
    {%- set leaves_at = fsync.after('tile_end', slot.window) %}

spans_of_{{ slot.name }} as (

    select
        {{ keys | join(', ') }},
        {{ slot.value }} as held,
        entered_at,
        {{ leaves_at }} as leaves_at,
        max({{ leaves_at }}) over (
            partition by {{ keys | join(', ') }}, {{ slot.value }}
            order by entered_at, {{ leaves_at }}
            rows between unbounded preceding and 1 preceding
        ) as held_until
    from live_tiles
    where ({{ slot.value }}) is not null
        and entered_at < {{ leaves_at }}

),
    {%- endfor -%}
    {%- if plan.distincts %}

distinct_changes as (
{{ fsync._distinct_changes(plan, keys, until) }}

),
    {%- endif -%}
{%- endmacro %}

{#- Of all distinct counts: what to add to which, at which instant. -#}
{% macro _distinct_changes(plan, keys, until) -%}
    {%- for slot in plan.distincts %}
    {%- if slot.window %}
    select
        {{ keys | join(', ') }},
        entered_at as instant,
        {{ fsync._counting(plan, slot, 1) }}
    from spans_of_{{ slot.name }}
    where held_until is null or held_until <= entered_at

    union all

    select
        {{ keys | join(', ') }},
        held_until,
        {{ fsync._counting(plan, slot, -1) }}
    from spans_of_{{ slot.name }}
    where held_until <= entered_at

    union all

    select
        {{ keys | join(', ') }},
        max(leaves_at),
        {{ fsync._counting(plan, slot, -1) }}
    from spans_of_{{ slot.name }}
    group by {{ keys | join(', ') }}, held
    having max(leaves_at) <= {{ until }}
    {%- else %}
    select
        {{ keys | join(', ') }},
        min(entered_at) as instant,
        {{ fsync._counting(plan, slot, 1) }}
    from live_tiles
    where ({{ slot.value }}) is not null
    group by {{ keys | join(', ') }}, {{ slot.value }}
    {%- endif %}
    {%- if not loop.last %}

    union all
    {% endif %}
    {%- endfor -%}
{%- endmacro %}

{% macro _counting(plan, distinct, change) -%}
    {%- for slot in plan.distincts -%}
        {{ change if slot.name == distinct.name else 0 }} as {{ slot.name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The slots of a row that only counts distinct values, or (counts=false) none at all. -#}
{% macro _counted(plan, counts=true) -%}
    {%- for slot in plan.slots %},
        {{ 'null' if slot.kind == 'extreme' else (slot.name if counts and slot.kind == 'distinct' else '0') }}
    {%- endfor -%}
{%- endmacro %}

{#-
  What the parts of trailing_windows_at do that cannot be added and taken away again: max and min, and the ranks behind
  first and last, over a window. An event counts at those instants asked of its key that lie from where it came to be known to
  where it leaves the window: in their order, from one place to another. Such a span is cut into at most two blocks of each
  length 1, 2, 4, …, as in a segment tree, and an instant asks the one block of each length that holds its place. So both sides
  meet on equality, and time does not depend on how events or instants are distributed.

    event known at 2, gone at 7     asked at  1  3  4  6  8       blocks  [1, 2)  [2, 4)
                                       place  0  1  2  3  4       place 3 asks  [3, 4)  [2, 4)  [0, 4)
-#}
{% macro _exact_extremes(plan, keys) %}
asked_blocks as (

    select
        {{ keys | join(', ') }},
        asked_at,
        block_level,
        place >> block_level as block_number
    from (
        select
            {{ keys | join(', ') }},
            asked_at,
            row_number() over (partition by {{ keys | join(', ') }} order by asked_at) - 1 as place,
            count(*) over (partition by {{ keys | join(', ') }}) as places
        from asked
    ) as numbered
    {{ fsync._each_number(fsync._levels('places'), 'block_level') }}

),

known as (

    select
        *,
        {{ fsync._asked_before(keys, 'known_at') }} as first_place
    from (
        select
            {{ keys | join(', ') }},
            {{ fsync.micros('entered_at') }} as known_at,
            {{ fsync.micros('tile_end') }} as happened_at,
            cast(null as {{ dbt.type_bigint() }}) as asked_at
            {%- for slot in plan.looked_up %},
            {{ slot.value }} as {{ slot.name }}
            {%- endfor %}
        from live_tiles

        union all

        select
            {{ keys | join(', ') }},
            asked_at,
            asked_at,
            asked_at
            {%- for slot in plan.looked_up %},
            null
            {%- endfor %}
        from asked
    ) as timeline

),
{%- for window in plan.frames %}
{%- set slots = plan.looked_up | selectattr('window', 'equalto', window) | list %}

spans_of_{{ window }} as (

    select
        *,
        {{ fsync._asked_before(keys, 'gone_at') }} as end_place
    from (
        select
            *,
            case when asked_at is null then happened_at + {{ fsync.duration_seconds(window) * 1000000 }} else asked_at end as gone_at
        from known
    ) as timeline

),

-- A step is a length and an end of the span: the block at the front that the next length cannot hold, and the one at the back.
blocks_of_{{ window }} as (

    select
        {{ keys | join(', ') }},
        step >> 1 as block_level,
        case when step & 1 = 0 then front else back - 1 end as block_number
        {%- for slot in slots %},
        {{ slot.aggregate }}({{ slot.name }}) as {{ slot.name }}
        {%- endfor %}
    from (
        select
            *,
            (first_place + (cast(1 as {{ dbt.type_bigint() }}) << (step >> 1)) - 1) >> (step >> 1) as front,
            end_place >> (step >> 1) as back
        from spans_of_{{ window }}
        {{ fsync._each_number(fsync._levels('greatest(end_place - first_place, 1)') ~ ' * 2 + 1', 'step') }}
        where asked_at is null
            and first_place < end_place
    ) as steps
    where front < back
        and (case when step & 1 = 0 then front else back end) & 1 = 1
    group by {{ keys | join(', ') }}, block_level, block_number

),

found_in_{{ window }} as (

    select
        {%- for key in keys %}
        asked_blocks.{{ key }},
        {%- endfor %}
        asked_blocks.asked_at
        {%- for slot in slots %},
        {{ slot.aggregate }}(blocks.{{ slot.name }}) as {{ slot.name }}
        {%- endfor %}
    from asked_blocks
    inner join blocks_of_{{ window }} as blocks
        on {{ fsync._on_keys(keys, 'asked_blocks', 'blocks') }}
            and asked_blocks.block_level = blocks.block_level
            and asked_blocks.block_number = blocks.block_number
    group by {% for key in keys %}asked_blocks.{{ key }}, {% endfor %}asked_blocks.asked_at

),
{%- endfor %}
{%- endmacro %}

{#- How many instants were asked of the key before an instant of the timeline; whoever is asked at that instant is not before it. -#}
{% macro _asked_before(keys, instant) -%}
count(asked_at) over (
            partition by {{ keys | join(', ') }}
            order by {{ instant }}, case when asked_at is null then 0 else 1 end
            rows between unbounded preceding and current row
        )
{%- endmacro %}

{#- The exponent of the greatest power of two that is not above a number, or one more: a level too many finds nothing. -#}
{% macro _levels(count) -%}
    cast(ceil(ln({{ count }}) / ln(2)) as {{ dbt.type_bigint() }})
{%- endmacro %}

{#- One row for each whole number from 0 to another, included: stands after `from`. -#}
{% macro _each_number(last, alias) -%}
    {{ adapter.dispatch('_each_number', 'fsync')(last, alias) }}
{%- endmacro %}

{% macro default___each_number(last, alias) -%}
    cross join unnest(generate_series(0, {{ last }})) as numbers({{ alias }})
{%- endmacro %}

{% macro bigquery___each_number(last, alias) -%}
    cross join unnest(generate_array(0, {{ last }})) as {{ alias }}
{%- endmacro %}

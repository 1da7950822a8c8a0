{#-
  Trailing windows over events, exact at each spine row's own instant.

    spine                       events                                   {'spent_1d': {'sum': 'cents', 'window': '1d'}}
    player_id | event_timestamp player_id | event_timestamp | cents      player_id | event_timestamp | spent_1d
    p1        | 05-02 12:00     p1        | 05-01 12:00     |   100  ->  p1        | 05-02 12:00     |       20
    p1        | 05-02 11:59     p1        | 05-02 11:00     |    20      p1        | 05-02 11:59     |      120

  At t, an event counts if t - window < event_timestamp <= t and, as known, created_timestamp <= t. A window's sum is what
  had come to be known by t, less what had happened by t - window: running totals, asked at those instants.
-#}
{% macro trailing_windows_at(
    spine, events, keys, features, timestamp='event_timestamp', event_timestamp='event_timestamp', created_timestamp='created_timestamp', as_known_at=true
) -%}
    {%- set plan = fsync._window_plan(features, '0s', late=false) -%}
    {%- set known_at = 'coalesce(events.' ~ created_timestamp ~ ', events.' ~ event_timestamp ~ ')' -%}
    {%- set entered_at = 'greatest(events.' ~ event_timestamp ~ ', ' ~ known_at ~ ')' if as_known_at else 'events.' ~ event_timestamp -%}
    {%- set summed = plan.slots | selectattr('kind', 'equalto', 'sum') | selectattr('window') | map(attribute='window') | unique | list -%}
    {{ adapter.dispatch('trailing_windows_at', 'fsync')(spine, events, keys, features, timestamp, event_timestamp, entered_at, plan, summed) }}
{%- endmacro %}

{% macro default__trailing_windows_at(spine, events, keys, features, timestamp, event_timestamp, entered_at, plan, summed) -%}
{%- set totals = dict(plan, slots=plan.slots | reject('in', plan.looked_up) | list) -%}
with spine as (

    select *
    from {{ spine }}

),

asked as (

    select distinct
        {{ keys | join(', ') }},
        {{ fsync.micros(timestamp) }} as asked_at
    from spine
    where {{ timestamp }} is not null
        {%- for key in keys %}
        and {{ key }} is not null
        {%- endfor %}

),

all_tiles as (

    select
        events.*,
        events.{{ event_timestamp }} as tile_start,
        events.{{ event_timestamp }} as tile_end,
        {{ entered_at }} as entered_at
    from {{ events }} as events
    where events.{{ event_timestamp }} is not null
        and exists (
            select 1
            from asked
            where {{ fsync._on_keys(keys, 'asked', 'events') }}
        )

),

live_tiles as (

    select
        all_tiles.*
        {{- fsync._flags(plan, keys) }}
    from all_tiles

),
{{ fsync._spans(plan, keys, "(select max(" ~ timestamp ~ ") from spine)") }}
{{- fsync._exact_extremes(plan, keys) if plan.looked_up }}
points as (

    select
        {{ keys | join(', ') }},
        'known' as side,
        {{ fsync.micros('entered_at') }} as instant,
        cast(null as {{ dbt.type_bigint() }}) as asked_at,
        cast(null as {{ dbt.type_string() }}) as asked_of
        {{- fsync._entering(totals) }}
    from live_tiles
    {%- if summed %}

    union all

    select
        {{ keys | join(', ') }},
        'happened',
        {{ fsync.micros('tile_end') }},
        null,
        null
        {{- fsync._happening(totals) }}
    from live_tiles
    {%- endif %}
    {%- if plan.distincts %}

    union all

    select
        {{ keys | join(', ') }},
        'known',
        {{ fsync.micros('instant') }},
        null,
        null
        {{- fsync._counted(totals) }}
    from distinct_changes
    {%- endif %}

    union all

    select
        {{ keys | join(', ') }},
        'known',
        asked_at,
        asked_at,
        null
        {{- fsync._counted(totals, counts=false) }}
    from asked
    {%- for window in summed %}

    union all

    select
        {{ keys | join(', ') }},
        'happened',
        asked_at - {{ fsync.duration_seconds(window) * 1000000 }},
        asked_at,
        '{{ window }}'
        {{- fsync._counted(totals, counts=false) }}
    from asked
    {%- endfor %}

),

totals as (

    select
        {{ keys | join(', ') }},
        asked_at,
        asked_of
        {%- for slot in totals.slots %},
        {{ slot.aggregate | default('sum') }}({{ slot.name }}) over so_far as {{ slot.name }}
        {%- endfor %}
    from points
    window
        so_far as (
            partition by {{ keys | join(', ') }}, side
            order by instant, case when asked_at is null then 0 else 1 end
            rows between unbounded preceding and current row
        )

),

answers as (

    select
        {{ keys | join(', ') }},
        asked_at
        {%- for slot in totals.slots %},
        {% if slot.kind == 'extreme' -%}
        max(case when asked_of is null then {{ slot.name }} end) as {{ slot.name }}
        {%- else -%}
        cast(sum(case when asked_of is null then {{ slot.name }}{% if slot.kind == 'sum' and slot.window %} when asked_of = '{{ slot.window }}' then -{{ slot.name }}{% endif %} else 0 end) as {{ slot.type | default(dbt.type_bigint()) }}) as {{ slot.name }}
        {%- endif %}
        {%- endfor %}
    from totals
    where asked_at is not null
    group by {{ keys | join(', ') }}, asked_at

)
{{- fsync._picks(plan, keys) }}

select
    spine.*
    {%- for name, expression in plan.expressions.items() %},
    {{ 'coalesce(' ~ expression ~ ', 0)' if fsync._empties_to_zero(features[name]) else expression }} as {{ name }}
    {%- endfor %}
from spine
left join answers
    on {{ fsync._on_keys(keys, 'spine', 'answers') }} and {{ fsync.micros('spine.' ~ timestamp) }} = answers.asked_at
{%- for window in plan.frames %}
left join found_in_{{ window }}
    on {{ fsync._on_keys(keys, 'answers', 'found_in_' ~ window) }} and answers.asked_at = found_in_{{ window }}.asked_at
{%- endfor %}
{%- for pick in plan.picks %}
left join {{ pick.name }}
    on {{ fsync._on_keys(keys, 'answers', pick.name) }} and {{ pick.name }}.{{ pick.rank }} = {{ pick.chosen }}
{%- endfor %}
{%- endmacro %}

{% macro _happening(plan) -%}
    {%- for slot in plan.slots %},
        {% if slot.kind == 'extreme' -%} null
        {%- elif slot.kind == 'sum' and slot.window -%}
        case when entered_at < {{ fsync.after('tile_end', slot.window) }} then {{ slot.value }} else 0 end
        {%- else -%} 0
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro _empties_to_zero(spec) -%}
    {{ return('sum' in spec or 'count' in spec or 'tiles' in spec or 'count_distinct' in spec or 'approx_distinct' in spec) }}
{%- endmacro %}

{#-
  Recomputes a sample of a feature view's values by brute force from events that lay in the past of each row, and fails on
  every value that differs. A value that used anything later than its own event timestamp cannot pass.

    - no_future_leakage:
        arguments:
          events: ref('stg_events')
          features:
            purchases_last_30d: "count(case when event_name = 'in_app_purchase' and days_ago <= 30 then 1 end)"

  Each expression aggregates the events of one sampled row: those with the row's keys, `event_time` <= event timestamp and
  `known_time` <= event timestamp. `days_ago` is the number of midnights (UTC) between an event and the row, and events of the
  row's own day, whose tile is not complete, are left out unless `complete_days` is false. With `grain`, events are first aggregated by these columns into
  `grain_columns` (of which `event_time` must be one again), so that sessions can be counted; `having` keeps those that
  are complete, and may say `as_of`.
-#}
{% test no_future_leakage(model, events, features, event_time='event_at', known_time='ingested_at', grain=none,
                          grain_columns=none, having='true', complete_days=true, sample=200, tolerance=0.000001) %}
    {%- if execute -%}
    {{ adapter.dispatch('test_no_future_leakage', 'fsync')(model, events, features, event_time, known_time, grain, grain_columns, having, complete_days, sample, tolerance) }}
    {%- endif -%}
{% endtest %}

{% macro default__test_no_future_leakage(model, events, features, event_time, known_time, grain, grain_columns, having, complete_days, sample, tolerance) %}
    {%- set node = graph.nodes[context['model'].attached_node] -%}
    {%- set keys = fsync._join_keys(node.config.meta) -%}
    {%- set event = node.config.event_time -%}
    with ranked as (

        select
            *,
            row_number() over (order by {{ dbt.hash(dbt.concat(["cast(" ~ keys[0] ~ " as " ~ dbt.type_string() ~ ")", "cast(" ~ event ~ " as " ~ dbt.type_string() ~ ")"])) }}, {{ keys | join(', ') }}, {{ event }}) as sample_id
        from {{ model }}

    ),

    sampled as (

        select sample_id, {{ event }} as as_of{% for key in keys %}, {{ key }}{% endfor %}{% for feature in features %}, {{ feature }}{% endfor %}
        from ranked
        where sample_id <= {{ sample }}

    ),

    past as (

        select sampled.sample_id, sampled.as_of, events.*
        from sampled
        inner join {{ events }} as events
            on {% for key in keys %}sampled.{{ key }} = events.{{ key }} and {% endfor -%}
            events.{{ event_time }} <= sampled.as_of
            and events.{{ known_time }} <= sampled.as_of

    ),

    {% if grain %}
    grains as (

        -- In a `having`, BigQuery takes a name for the column that is made, where one bears it.
        select *
        from (
            select sample_id, as_of, {{ grain | join(', ') }}{% for name, expression in grain_columns.items() %}, {{ expression }} as {{ name }}{% endfor %}, {{ having }} as is_kept
            from past
            group by sample_id, as_of, {{ grain | join(', ') }}
        ) as aggregated
        where is_kept

    ),
    {% endif %}

    counted as (

        select
            *,
            cast(floor(({{ fsync.micros('as_of') }} - {{ fsync.micros(fsync.day_of(event_time)) }}) / 86400000000) as {{ dbt.type_bigint() }}) as days_ago
        from {{ 'grains' if grain else 'past' }}

    ),

    recomputed as (

        select sample_id{% for feature, expression in features.items() %}, {{ expression }} as {{ feature }}{% endfor %}
        from counted
        {%- if complete_days %}
        where days_ago >= 1
        {%- endif %}
        group by sample_id

    )
    {% for feature in features %}
    select
        '{{ feature }}' as feature,
        {%- for key in keys %}
        cast(sampled.{{ key }} as {{ dbt.type_string() }}) as {{ key }},
        {%- endfor %}
        sampled.as_of,
        cast(sampled.{{ feature }} as {{ dbt.type_string() }}) as stored,
        cast(recomputed.{{ feature }} as {{ dbt.type_string() }}) as recomputed
    from sampled
    left join recomputed on sampled.sample_id = recomputed.sample_id
    where case
        when sampled.{{ feature }} is null or recomputed.{{ feature }} is null
            then coalesce(sampled.{{ feature }}, recomputed.{{ feature }}, 0) != 0
        else abs(sampled.{{ feature }} - recomputed.{{ feature }}) > {{ tolerance }}
    end
    {{ 'union all' if not loop.last }}
    {% endfor %}
{% endmacro %}

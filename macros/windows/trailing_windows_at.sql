{#-
  Trailing windows over events, exact at each spine row's own instant.

    spine                       events                                   {'spent_1d': {'sum': 'cents', 'window': '1d'}}
    player_id | event_timestamp player_id | event_timestamp | cents      player_id | event_timestamp | spent_1d
    p1        | 05-02 12:00     p1        | 05-01 12:00     |   100  ->  p1        | 05-02 12:00     |       20
    p1        | 05-02 11:59     p1        | 05-02 11:00     |    20      p1        | 05-02 11:59     |      120

  An event counts for a spine row at t in (event, created] terms as in `point_in_time_join`: t - window < event_timestamp <= t
  and, as known, created_timestamp <= t. Each event is a tile of no length; the spine is joined to its change points.
-#}
{% macro trailing_windows_at(
    spine, events, keys, features, timestamp='event_timestamp', event_timestamp='event_timestamp', created_timestamp='created_timestamp', as_known_at=true
) -%}
    {%- set plan = fsync._window_plan(features, '0s') -%}
    {%- if as_known_at and plan.looked_up -%}
        {{ exceptions.raise_compiler_error("trailing_windows_at: min, max, first and last over a window need as_known_at=false (an event that is known late cannot be taken out of them in time); or use trailing_windows over tiles of an hour") }}
    {%- endif -%}
    {%- set tiles -%}
        {{ fsync._events_as_tiles(spine, events, keys, event_timestamp, created_timestamp, as_known_at) }}
    {%- endset -%}
    {%- set until -%} (select max({{ timestamp }}) from {{ spine }}) {%- endset -%}
    {%- set changes = adapter.dispatch('trailing_windows', 'fsync')(tiles, keys, plan, until, '0s', false) -%}
    {%- set columns = [] -%}
    {%- for name, spec in features.items() -%}
        {%- set counts = 'sum' in spec or 'count' in spec or 'tiles' in spec or 'count_distinct' in spec or 'approx_distinct' in spec -%}
        {%- do columns.append({'column': name, 'alias': name, 'default': '0' if counts else 'null'}) -%}
    {%- endfor -%}
    {%- set view = {'keys': keys, 'relation': '(\n' ~ changes ~ '\n) as changes', 'event': 'event_timestamp', 'event_type': 'timestamp', 'created': none, 'ttl': none, 'materialized': 'view'} -%}
    {%- set join = [{'view': view, 'rows': 'window_rows', 'features': columns, 'age': none}] -%}
    {{ adapter.dispatch('point_in_time_join', 'fsync')(spine, join, timestamp, false, none) }}
{%- endmacro %}

{#- Events of the spine's keys only, as known at: an event enters when it is known. -#}
{% macro _events_as_tiles(spine, events, keys, event_timestamp, created_timestamp, as_known_at) -%}
(
    select
        events.*,
        events.{{ event_timestamp }} as tile_start,
        {{ 'greatest(events.' ~ event_timestamp ~ ', coalesce(events.' ~ created_timestamp ~ ', events.' ~ event_timestamp ~ '))' if as_known_at else 'events.' ~ event_timestamp }} as available_at
        {%- if created_timestamp != 'created_timestamp' %},
        events.{{ created_timestamp }} as created_timestamp
        {%- endif %}
    from {{ events }} as events
    inner join (select distinct {{ keys | join(', ') }} from {{ spine }}) as asked
        on {{ fsync._on_keys(keys, 'events', 'asked') }}
) as events
{%- endmacro %}

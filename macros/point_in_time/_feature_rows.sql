{#-
  A feature view's rows in the order in which they may be used. As known, a row takes effect at greatest(event, created),
  and only if no row that took effect before it has a later event: a late row about the past never hides what is newer. So
  that one join on the order answers "as known at". (Rows of one event take effect in the order of their created
  timestamps, so the event alone decides.)
-#}

{#- The order in three columns: `_available`, and of rows that are available at once, `_event`, then `_created`; microseconds. -#}
{% macro _feature_rows(join, as_known_at, known_until) -%}
    {%- set view = join.view -%}
    {%- set event = fsync._event_micros(view) -%}
    {%- set created = fsync._created_micros(view) -%}
    {%- set known = as_known_at and view.created -%}
select
    {%- for key in view['keys'] %}
    {{ key }},
    {%- endfor %}
    {%- for feature in join.features %}
    {{ feature.column }},
    {%- endfor %}
    {{ event }} as _event,
    {{ created }} as _created,
    {{ 'greatest(' ~ event ~ ', ' ~ created ~ ')' if known else event }} as _available
from {{ view.relation }}
{{ fsync._usable(view, known_until) }}
    {%- for key in view['keys'] %}
    and {{ key }} is not null
    {%- endfor %}
    {%- if known %}
qualify _event = max(_event) over (
    partition by {{ view['keys'] | join(', ') }}
    order by _available, _event, _created
    rows between unbounded preceding and current row
)
    {%- endif %}
{%- endmacro %}

{% macro _event_micros(view, of='') -%}
    {%- set micros = fsync.micros(of ~ view.event) -%}
    {{ return('(' ~ micros ~ ' + 86400000000)' if view.event_type | lower == 'date' else micros) }}
{%- endmacro %}

{% macro _created_micros(view, of='') -%}
    {%- set event = fsync._event_micros(view, of) -%}
    {{ return('coalesce(' ~ fsync.micros(of ~ view.created) ~ ', ' ~ event ~ ')' if view.created else event) }}
{%- endmacro %}

{% macro _usable(view, known_until, of='') -%}
where {{ of ~ view.event }} is not null
    {%- if known_until %}
    and {{ fsync._created_micros(view, of) }} <= {{ fsync.micros("cast('" ~ known_until ~ "' as timestamp)") }}
    {%- endif %}
{%- endmacro %}

{% macro _within_ttl(join, event, at) -%}
    {%- if join.view.ttl is none -%} {{ event }} <= {{ at }}
    {%- else -%} {{ event }} >= {{ at }} - {{ join.view.ttl * 1000000 }}
    {%- endif -%}
{%- endmacro %}

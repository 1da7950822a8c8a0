{#-
  A feature view's rows in the order in which they may be used: `_available` is when a row takes effect, `_event` and
  `_created` settle which of two is newer; all in microseconds.

  As known, a row takes effect at greatest(event, created), and only if no row that took effect before it has a later event:
  a late row about the past never hides what is newer. So that one ASOF join on `_available` answers "as known at". (Rows of
  one event take effect in the order of their created timestamps, so the event alone decides.)
-#}
{% macro _feature_rows(join, as_known_at, known_until) -%}
    {%- set view = join.view -%}
    {%- set event = fsync.micros(view.event) ~ (' + 86400000000' if view.event_type | lower == 'date' else '') -%}
    {%- set created -%}
        {%- if view.created -%} coalesce({{ fsync.micros(view.created) }}, {{ event }}) {%- else -%} {{ event }} {%- endif -%}
    {%- endset -%}
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
where {{ view.event }} is not null
    {%- for key in view['keys'] %}
    and {{ key }} is not null
    {%- endfor %}
    {%- if known_until %}
    and {{ created }} <= {{ fsync.micros("cast('" ~ known_until ~ "' as timestamp)") }}
    {%- endif %}
    {%- if known %}
qualify _event = max(_event) over (
    partition by {{ view['keys'] | join(', ') }}
    order by _available, _event, _created
    rows between unbounded preceding and current row
)
    {%- endif %}
{%- endmacro %}

{% macro _within_ttl(join, event, at) -%}
    {%- if join.view.ttl is none -%} {{ event }} <= {{ at }}
    {%- else -%} {{ event }} >= {{ at }} - {{ join.view.ttl * 1000000 }}
    {%- endif -%}
{%- endmacro %}

{#-
  The newest ingestion time among the staged events, as a scalar subquery. What the warehouse will ever know of the time
  up to it is known: rows up to it are final.
-#}
{% macro watermark() -%}
    (select watermark from {{ ref('int_watermark') }})
{%- endmacro %}

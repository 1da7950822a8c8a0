{#- There is no warehouse to ask; what is compiled for incremental runs says so. -#}
{% macro is_incremental() -%}
    {{ return(model.config.materialized == 'incremental') }}
{%- endmacro %}

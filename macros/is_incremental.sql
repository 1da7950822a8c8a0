{#- dbt's own, but for a compilation without a warehouse to ask (`--no-introspect`), where it would look for the table. -#}
{% macro is_incremental() -%}
    {{ return(false if flags.INTROSPECT is false else dbt.is_incremental()) }}
{%- endmacro %}

{#- Ends a run early, and in words, when the log is not there. -#}
{% macro require_play_log() -%}
    {%- if execute and run_query("select count(*) from glob('" ~ plays_path() ~ "')").columns[0].values()[0] == 0 -%}
        {{ exceptions.raise_compiler_error("No play log at '" ~ plays_path() ~ "': set FSYNC_DODGE_MUD_PLAYS to the path of plays.parquet") }}
    {%- endif -%}
{%- endmacro %}

{#- Where the log of plays lies: the environment variable, else the var. -#}
{% macro plays_path() -%}
    {{ return(env_var('FSYNC_DODGE_MUD_PLAYS', var('plays_path'))) }}
{%- endmacro %}

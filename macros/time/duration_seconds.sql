{#- A duration as written in YAML, in seconds: '30d' -> 2592000. Units: s, m, h, d. -#}
{% macro duration_seconds(duration) -%}
    {%- set units = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400} -%}
    {%- set text = duration | string | trim -%}
    {%- if not modules.re.fullmatch('[0-9]+[smhd]', text) -%}
        {{ exceptions.raise_compiler_error("A duration is a whole number and one of s, m, h, d, as in '7d'; got '" ~ duration ~ "'") }}
    {%- endif -%}
    {{ return((text[:-1] | int) * units[text[-1]]) }}
{%- endmacro %}

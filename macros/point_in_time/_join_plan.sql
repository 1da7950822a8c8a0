{#-
  Feature references grouped by the view they live in, in the order asked:
  [{view, rows: name of its CTE, features: [{name, alias, default: an SQL literal}]}].
-#}
{% macro _join_plan(references, full_names) -%}
    {%- if not references or references is string -%}
        {{ exceptions.raise_compiler_error("point_in_time_join: `features` is a list of 'view:feature', got " ~ references) }}
    {%- endif -%}
    {%- set plan = {} -%}
    {%- set aliases = {} -%}
    {%- for reference in references -%}
        {%- set parts = reference.split(':') -%}
        {%- if parts | length != 2 -%}
            {{ exceptions.raise_compiler_error("point_in_time_join: '" ~ reference ~ "' is not of the form view:feature or view@version:feature") }}
        {%- endif -%}
        {%- set view_reference, name = parts -%}
        {%- if view_reference not in plan -%}
            {%- do plan.update({view_reference: {
                'view': fsync._feature_view(view_reference),
                'rows': view_reference | replace('@', '_v') ~ '_rows',
                'features': [],
            }}) -%}
        {%- endif -%}
        {%- if execute -%}
            {%- set join = plan[view_reference] -%}
            {%- if name not in join.view.features -%}
                {{ exceptions.raise_compiler_error("point_in_time_join: view '" ~ view_reference ~ "' has no feature '" ~ name ~ "'; it has " ~ join.view.features | join(', ')) }}
            {%- endif -%}
            {%- set alias = (view_reference | replace('@', '_v') ~ '__' ~ name) if full_names else name -%}
            {%- if alias in aliases -%}
                {{ exceptions.raise_compiler_error("point_in_time_join: '" ~ aliases[alias] ~ "' and '" ~ reference ~ "' would both be the column '" ~ alias ~ "'; set full_names=true") }}
            {%- endif -%}
            {%- do aliases.update({alias: reference}) -%}
            {%- do join.features.append({'name': name, 'alias': alias, 'default': fsync._literal(join.view.features[name])}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(plan.values() | list) }}
{%- endmacro %}

{#- A default from YAML as an SQL literal. -#}
{% macro _literal(value) -%}
    {%- if value is none -%} {{ return('null') }}
    {%- elif value is boolean -%} {{ return('true' if value else 'false') }}
    {%- elif value is number -%} {{ return(value | string) }}
    {%- else -%} {{ return(dbt.string_literal(dbt.escape_single_quotes(value | string))) }}
    {%- endif -%}
{%- endmacro %}

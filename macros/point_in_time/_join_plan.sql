{#-
  Feature references grouped by the view they live in, in the order asked:
  [{view, rows: name of its CTE, features: [{column, alias, default: an SQL literal}], age: alias or none}].
-#}
{% macro _join_plan(references, full_names, ages, defaults) -%}
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
                'rows': fsync._view_prefix(view_reference) ~ '_rows',
                'features': [],
                'age': fsync._view_prefix(view_reference) ~ '__age' if ages else none,
            }}) -%}
        {%- endif -%}
        {%- if execute -%}
            {%- set join = plan[view_reference] -%}
            {%- if name not in join.view.features -%}
                {{ exceptions.raise_compiler_error("point_in_time_join: view '" ~ view_reference ~ "' has no feature '" ~ name ~ "'; it has " ~ join.view.features | join(', ')) }}
            {%- endif -%}
            {%- set alias = fsync._view_prefix(view_reference) ~ '__' ~ name if full_names else name -%}
            {%- if alias in aliases -%}
                {{ exceptions.raise_compiler_error("point_in_time_join: '" ~ aliases[alias] ~ "' and '" ~ reference ~ "' would both be the column '" ~ alias ~ "'; set full_names=true") }}
            {%- endif -%}
            {%- do aliases.update({alias: reference}) -%}
            {%- do join.features.append({
                'column': fsync._identifier(join.view, name),
                'alias': fsync._identifier(join.view, name, alias),
                'default': fsync._literal(join.view.features[name] if defaults else none),
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for join in plan.values() if join.age in aliases -%}
        {{ exceptions.raise_compiler_error("point_in_time_join: '" ~ aliases[join.age] ~ "' is called like the age of its row, '" ~ join.age ~ "'") }}
    {%- endfor -%}
    {{ return(plan.values() | list) }}
{%- endmacro %}

{#- What the columns of a view are prefixed with: view, or view_v2 for view@2. -#}
{% macro _view_prefix(view_reference) -%}
    {{ return(view_reference | replace('@', '_v') | replace('.', '_')) }}
{%- endmacro %}

{#- A default from YAML as an SQL literal. -#}
{% macro _literal(value) -%}
    {%- if value is none -%} {{ return('null') }}
    {%- elif value is boolean -%} {{ return('true' if value else 'false') }}
    {%- elif value is number -%} {{ return(value | string) }}
    {%- else -%} {{ return(dbt.string_literal(dbt.escape_single_quotes(value | string))) }}
    {%- endif -%}
{%- endmacro %}

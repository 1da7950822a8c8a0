{#-
  The features of every feature view of the project, as rows:

    feature_view      | version | feature          | data_type | owner            | definition_hash
    player_engagement | 2       | days_active      | bigint    | player-analytics | 5d41402abc4b2a76...

  `definition_hash` covers the column's declaration and the source text of all that computes it: the view, every model,
  seed and snapshot upstream, and every macro that these use.
-#}
{% macro feature_registry() -%}
    {%- if not execute -%} {{ return('select 1 as feature_id') }} {%- endif -%}
    {%- set rows = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id') if node.resource_type == 'model' and 'entity' in node.config.meta -%}
        {%- set meta = node.config.meta -%}
        {%- set computation = local_md5(fsync._definition(node)) -%}
        {%- set others = fsync._join_keys(meta) + [node.config.event_time, meta.get('created_timestamp')] -%}
        {%- for column in node.columns.values() -%}
            {%- set column_meta = fsync._column_meta(column) -%}
            {%- if column.name not in others and column_meta.get('feature', true) -%}
                {%- set declared = [computation, column.name, column.data_type, column_meta.get('default'), meta.get('ttl')] | join('|') -%}
                {%- do rows.append([
                    node.name ~ ('@' ~ node.version if node.version else '') ~ ':' ~ column.name,
                    node.name,
                    (node.version or '') | string,
                    column.name,
                    column.data_type or '',
                    column_meta.get('owner') or meta.get('owner') or '',
                    local_md5(declared),
                ]) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set names = ['feature_id', 'feature_view', 'version', 'feature', 'data_type', 'owner', 'definition_hash'] -%}
    {%- for row in rows %}
select
    {%- for value in row %}
    cast({{ fsync._literal(value) }} as {{ dbt.type_string() }}) as {{ names[loop.index0] }}{{ ',' if not loop.last }}
    {%- endfor %}
{{ 'union all' if not loop.last }}
    {%- else %}
select {% for name in names %}cast(null as {{ dbt.type_string() }}) as {{ name }}{{ ', ' if not loop.last }}{% endfor %}
where false
    {%- endfor %}
{%- endmacro %}

{#- The source text of a node, of all nodes upstream of it, and of the macros that any of them uses. -#}
{% macro _definition(node) -%}
    {%- set nodes = {} -%}
    {%- set macros = {} -%}
    {%- do fsync._collect_nodes(node, nodes, macros) -%}
    {%- set texts = [] -%}
    {%- for id in nodes | sort -%} {%- do texts.append(id ~ nodes[id]) -%} {%- endfor -%}
    {%- for id in macros | sort -%} {%- do texts.append(id ~ macros[id]) -%} {%- endfor -%}
    {{ return(texts | join('\n')) }}
{%- endmacro %}

{% macro _collect_nodes(node, nodes, macros) -%}
    {%- if node.unique_id not in nodes -%}
        {%- do nodes.update({node.unique_id: node.get('raw_code') or node.checksum.checksum}) -%}
        {%- for id in node.depends_on.macros -%} {%- do fsync._collect_macros(id, macros) -%} {%- endfor -%}
        {%- for id in node.depends_on.get('nodes', []) if id in graph.nodes -%}
            {%- do fsync._collect_nodes(graph.nodes[id], nodes, macros) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- dbt's own macros are left out: they change with its version, not with the feature. -#}
{% macro _collect_macros(id, macros) -%}
    {%- set package, name = id.split('.')[1], id.split('.')[2] -%}
    {%- if id not in macros and package in context and name in context[package] and not package.startswith('dbt') -%}
        {%- set source = context[package][name].macro -%}
        {%- do macros.update({id: source.macro_sql}) -%}
        {%- for child in source.depends_on.macros -%} {%- do fsync._collect_macros(child, macros) -%} {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#-
  What the manifest says of a feature view, from its name as written in a reference: `view` or `view@version`.
  Returns {name, version, relation, materialized, keys, event, event_type, created, ttl (seconds or none), features: {name: default}, quoted};
  keys, event and created are SQL, `quoted` lists the columns whose YAML says `quote: true`.
-#}
{% macro _feature_view(reference) -%}
    {%- set name = reference.split('@')[0] -%}
    {%- set version = reference.split('@')[1] if '@' in reference else none -%}
    {%- set relation = ref(name, v=version) if version else ref(name) -%}
    {%- if not execute -%}
        {{ return({'relation': relation, 'keys': [], 'features': {}}) }}
    {%- endif -%}

    {%- set found = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == name -%}
        {%- set wanted = version if version else node.latest_version -%}
        {%- if wanted is none or (node.version | string) == (wanted | string) -%}
            {%- do found.append(node) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set node = found | first -%}
    {%- set meta = node.config.meta -%}
    {%- if 'entity' not in meta or not node.config.event_time -%}
        {{ exceptions.raise_compiler_error("Model '" ~ reference ~ "' is no feature view: it needs `event_time` and `meta.entity` in its config") }}
    {%- endif -%}

    {%- set keys = fsync._join_keys(meta) -%}
    {%- set created = meta.get('created_timestamp') -%}
    {%- set features = {} -%}
    {%- set view = {'quoted': []} -%}
    {%- for column in node.columns.values() -%}
        {%- if column.quote -%} {%- do view.quoted.append(column.name) -%} {%- endif -%}
        {%- set column_meta = fsync._column_meta(column) -%}
        {%- if column.name not in keys + [node.config.event_time, created] and column_meta.get('feature', true) -%}
            {%- do features.update({column.name: column_meta.get('default')}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set identifiers = [] -%}
    {%- for key in keys -%} {%- do identifiers.append(fsync._identifier(view, key)) -%} {%- endfor -%}
    {%- do view.update({
        'name': name,
        'version': node.version,
        'relation': relation,
        'materialized': node.config.materialized,
        'keys': identifiers,
        'event': fsync._identifier(view, node.config.event_time),
        'event_type': node.columns.get(node.config.event_time, {}).get('data_type') or '',
        'created': fsync._identifier(view, created) if created else none,
        'ttl': fsync.duration_seconds(meta['ttl']) if meta.get('ttl') else none,
        'features': features,
    }) -%}
    {{ return(view) }}
{%- endmacro %}

{#- A column's name in SQL, or that of another column made of it. -#}
{% macro _identifier(view, column, alias=none) -%}
    {{ return(adapter.quote(alias or column) if column in view.quoted else (alias or column)) }}
{%- endmacro %}

{#- The join keys of a feature view: `join_key` where given, else `<entity>_id` for each entity. -#}
{% macro _join_keys(meta) -%}
    {%- set entities = [meta.entity] if meta.entity is string else meta.entity -%}
    {%- set named = meta.get('join_key') -%}
    {%- if named -%}
        {{ return([named] if named is string else named) }}
    {%- endif -%}
    {%- set keys = [] -%}
    {%- for entity in entities -%} {%- do keys.append(entity ~ '_id') -%} {%- endfor -%}
    {{ return(keys) }}
{%- endmacro %}

{#- dbt keeps a column's meta in two places, the newer one under `config`. -#}
{% macro _column_meta(column) -%}
    {{ return((column.get('config') or {}).get('meta') or column.get('meta') or {}) }}
{%- endmacro %}

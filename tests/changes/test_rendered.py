"""A model rendered from the manifest is, to the letter, what dbt compiles; or it is not rendered at all."""

import json
import shutil
from pathlib import Path

import pytest

from sync.project import open_project, read_target
from sync.registry.compiled import compile_project
from sync.registry.rendered import ModelRenderer
from tests.conftest import write_files

FILES = {
    "dbt_project.yml": """
name: shop
version: "1.0"
profile: shop
flags: {send_anonymous_usage_stats: false}
vars:
  least: 3
  unit: dollars
  shop: {least: 4, rate: 5}
  tools: {rate: 7}
models: {shop: {+materialized: incremental}}
""",
    "profiles.yml": """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: target/shop.duckdb, schema: eu}
""",
    "packages.yml": "packages: [{local: tools}]\n",
    "tools/dbt_project.yml": "name: tools\nversion: '1.0'\nvars: {rate: 2, unit: cents}\n",
    "tools/macros/tools.sql": """
{% macro rated(column) %}{{ return(adapter.dispatch('rated', 'tools')(column)) }}{% endmacro %}
{% macro default__rated(column) %}{{ column }} * {{ var('rate') }}{{ tools._unit() }}{% endmacro %}
{% macro _unit() %} /* {{ var('unit') }} */{% endmacro %}
""",
    "tools/models/of_tools.sql": "select {{ var('rate') }} as rate, {{ rated('1') }} as unit",
    "macros/own.sql": """
{% macro duckdb__rated(column) %}({{ tools.default__rated(column) }}){% endmacro %}
{% macro seen(given) %}{% if given %}{{ given }}{% else %}{{ this.identifier }}{% endif %}{% endmacro %}
""",
    "models/raw.yml": "sources: [{name: raw, schema: lake, tables: [{name: orders, identifier: o_v1}]}]\n",
    "models/orders.sql": """
{{ config(meta={'unit': 'cents'}, tags=['x']) }}
select *, '{{ config.get('meta').unit }}' as unit, {{ dbt.type_string() }}, {{ dbt.type_numeric() }}
from {{ source('raw', 'orders') }}
where amount > {{ var('least') }} and zone = '{{ env_var('SHOP_ZONE', 'eu') }}'
    and day = {{ var('day', "'today'") }}
{% if is_incremental() %}and at > (select max(at) from {{ this }}){% endif %}
""",
    "models/part.sql": "{{ config(materialized='ephemeral') }} select id, amount from {{ ref('orders') }}",
    "models/rates.sql": """
select id, {{ tools.rated('amount') }}, {{ dbt.date_trunc('day', 'at') }} as day, '{{ seen() }}' as a,
    {% for letter in ['b', 'c'] %}{{ seen(letter) }}{{ ',' if not loop.last }}{% endfor %}
from {{ ref('orders') }} as {{ target.name }}_{{ target.schema }}_{{ this.schema }}
left join {{ ref('tools', 'of_tools') }} using (rate)
""",
    "models/reads_part.sql": "select * from {{ ref('part') }}",
    "models/asks.sql": "select {{ run_query('select 1').columns[0].values()[0] if execute else 1 }} as one",
    "models/clock.sql": "select '{{ run_started_at }}' as at",
    "snapshots/kept.yml": """
snapshots:
  - name: kept
    relation: ref('orders')
    config: {unique_key: id, strategy: check, check_cols: all}
""",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered") / "shop"
    write_files(folder, FILES)
    shutil.copytree(folder / "tools", folder / "dbt_packages" / "tools")
    return folder


def test_renders_what_dbt_compiles(shop: Path) -> None:
    (shop / "models/asks.sql").rename(shop / "asks.sql")
    project = open_project(shop)
    target = read_target(project)
    compiled = compile_project(project, target)
    manifest = compiled.file.tree
    renderer = ModelRenderer(manifest, project, target)
    rendered = {node.name: renderer.sql(manifest["nodes"][name]) for name, node in compiled.models.items()}
    by_dbt = {node.name: node.compiled_code for node in compiled.models.values()}
    assert set(rendered) == {"orders", "part", "rates", "reads_part", "of_tools", "clock", "kept"}
    assert rendered.pop("clock") is None
    # dbt puts the text of an ephemeral model before the query that reads it.
    assert rendered.pop("reads_part") == "select * from __dbt__cte__part"
    for name, sql in rendered.items():
        assert sql == by_dbt[name], name
    assert "(amount * 5 /* dollars */)" in str(rendered["rates"])
    assert rendered["of_tools"] == "select 7 as rate, (1 * 7 /* dollars */) as unit"

    asking = json.loads(json.dumps(manifest))
    asking["nodes"]["model.shop.orders"]["raw_code"] = FILES["models/asks.sql"]
    for text in (FILES["models/asks.sql"], "{{ var('unset') }}", "{{ env_var('UNSET') }}", "{{ nobody }}"):
        asking["nodes"]["model.shop.orders"]["raw_code"] = text
        assert ModelRenderer(asking, project, target).sql(asking["nodes"]["model.shop.orders"]) is None

"""`fsync lineage` over a project that dbt parsed, from a source's columns to Redis and those who read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sync import FeatureStore
from sync.cli.app import app
from tests.conftest import run_dbt, write_files

FILES = {
    "dbt_project.yml": """
name: shop
version: "1.0"
profile: shop
flags: {send_anonymous_usage_stats: false}
models:
  shop:
    features:
      +event_time: event_timestamp
      +contract: {enforced: true}
      +materialized: table
      +meta: {created_timestamp: created_timestamp, entity: player}
""",
    "profiles.yml": """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: shop.duckdb}
    bigquery: {type: bigquery, method: oauth, project: p, dataset: d}
""",
    "seeds/prices.csv": "item,cents\nsword,300\n",
    "models/sources.yml": """
sources:
  - name: game
    tables:
      - name: orders
        columns:
          - {name: player, config: {meta: {pii: true}}}
          - {name: item}
          - {name: at}
          - {name: state}
          - {name: loaded_at}
      - name: raw
  - name: files
    tables:
      - name: logins
        config: {meta: {external_location: "logins/*.parquet"}}
""",
    "models/stg_orders.sql": """
select player as player_id, item, at as ordered_at, loaded_at
from {{ source('game', 'orders') }}
where state = 'paid'
""",
    "models/stg_logins.sql": "select player as player_id, device from {{ source('files', 'logins') }}",
    "models/priced.sql": """
{{ config(materialized='ephemeral') }}
select orders.*, prices.cents from {{ ref('stg_orders') }} as orders
left join {{ ref('prices') }} as prices on orders.item = prices.item
""",
    "models/asks.sql": """
select player_id, {{ run_query('select 1').columns[0].values()[0] if execute else 1 }} as one
from {{ ref('stg_logins') }}
""",
    "models/regions.sql": """
select regions.code, names.name from lake.regions as regions
left join read_parquet('names.parquet') as names on names.code = regions.code
""",
    "models/of_raw.sql": "select * from {{ source('game', 'raw') }}",
    "models/features/spend_v1.sql": """
select player_id, ordered_at as event_timestamp, loaded_at as created_timestamp, cents as spent
from {{ ref('priced') }}
""",
    "models/features/spend_v2.sql": """
select
    player_id,
    ordered_at as event_timestamp,
    max(loaded_at) as created_timestamp,
    sum(cents) / 100.0 as spent,
    count(*) as orders
from {{ ref('priced') }}
group by player_id, ordered_at
""",
    "models/features/spend.yml": """
models:
  - name: spend
    latest_version: 2
    columns:
      - {name: player_id, data_type: varchar}
      - {name: event_timestamp, data_type: timestamp}
      - {name: created_timestamp, data_type: timestamp}
      - {name: spent, data_type: double, config: {meta: {pii: false}}}
      - {name: orders, data_type: bigint}
    versions:
      - v: 1
        columns: [{include: all, exclude: [orders]}]
        config: {meta: {online: false}}
      - v: 2
        config: {meta: {shards: 3}}
""",
    "models/training_set.sql": """
select labels.player_id, labels.churned, spend.spent
from {{ ref('labels') }} as labels
left join {{ ref('spend') }} as spend on labels.player_id = spend.player_id
""",
    "models/labels.yml": """
models: [{name: labels, columns: [{name: churned, config: {meta: {feature: false}}}]}]
""",
    "models/labels.sql": "select player_id, device is null as churned from {{ ref('stg_logins') }}",
    "snapshots/kept.yml": """
snapshots:
  - name: kept
    relation: ref('stg_orders')
    config: {unique_key: player_id, strategy: check, check_cols: all}
""",
    "models/exposures.yml": """
exposures:
  - name: offers
    type: application
    owner: {name: Shop, email: shop@example.com}
    depends_on: [ref('spend')]
    config: {meta: {features: ["spend:spent"]}}
  - name: churn
    type: ml
    owner: {name: Data, email: data@example.com}
    depends_on: [ref('training_set')]
  - name: old_report
    type: dashboard
    owner: {name: Data, email: data@example.com}
    depends_on: [ref('training_set')]
    config: {enabled: false}
""",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lineage") / "shop"
    write_files(folder, FILES)
    run_dbt(folder, "parse")
    return folder


def run(folder: Path, *arguments: str) -> Result:
    command = ["lineage", "--project-dir", str(folder), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def shown(folder: Path, *arguments: str) -> str:
    done = run(folder, *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


MADE_OF_ALL = "each column of it counts as made of all that it reads"


def test_a_feature(shop: Path) -> None:
    assert (
        shown(shop, "spend:spent")
        == f"""\
spend@2:spent  models/features/spend_v2.sql
  Redis fsync:{{shop/spend@2}}:rows and 2 more shards, a field for each player_id
  service offers
made of
  priced.cents
    prices.cents
rows decided by
  game.orders: at, item, player, state
  prices: item
goes into
  training_set.spent  → exposure churn
not followed: asks (its SQL cannot be rendered without dbt); {MADE_OF_ALL}
not followed: of_raw (a pivot, or a star over what has no known columns); {MADE_OF_ALL}
"""
    )


def test_what_yaml_says_of_columns(shop: Path) -> None:
    models = FeatureStore(shop).lineage().models
    assert models["source.shop.game.orders"].pii == {"player": True}
    assert models["source.shop.game.orders"].personal == {"player"}
    assert models["model.shop.spend.v2"].pii == {"spent": False}
    assert models["model.shop.labels"].unserved == {"churned"}


def test_a_sources_column(shop: Path) -> None:
    found = shown(shop, "game.orders.loaded_at").splitlines()
    assert found[:7] == [
        "game.orders.loaded_at  models/sources.yml",
        "goes into",
        "  stg_orders.loaded_at",
        "    kept.loaded_at",
        "    priced.loaded_at",
        "      spend@1.created_timestamp",
        "      spend@2.created_timestamp",
    ]
    assert [line.split(" (")[0] for line in found[7:]] == ["not followed: asks", "not followed: of_raw"]
    found = shown(shop, "game.orders.state").splitlines()
    assert found[:4] == [
        "game.orders.state  models/sources.yml",
        "decides on the rows of",
        "  spend@1",
        "  spend@2",
    ]


def test_what_sql_reads_from_files_is_the_source(shop: Path) -> None:
    store = FeatureStore(shop)
    lineage = store.lineage()
    found = lineage.sources(lineage.find("training_set.churned"))
    assert [lineage.name(column) for column in found] == ["files.logins.device"]


def test_what_is_read_past_dbt_is_named_as_in_sql(shop: Path) -> None:
    code, name = [line.split("  ") for line in shown(shop, "regions").splitlines()[2:]]
    assert [part.strip() for part in code if part] == ["regions.code", "lake.regions: code", "-"]
    assert [part.strip() for part in name if part] == [
        "regions.name",
        "read_parquet('names.parquet'): name",
        "-",
    ]


def test_all_features_and_all_columns_of_a_model(shop: Path) -> None:
    assert [line.split("  ")[0] for line in shown(shop).splitlines()] == [
        "column",
        "--------------",
        "spend@1:spent",
        "spend@2:spent",
        "spend@2:orders",
    ]
    spent, orders = [line.split() for line in shown(shop).splitlines()[3:]]
    assert spent[1:] == ["prices:", "cents", "Redis,", "service", "offers"]
    assert " ".join(orders[1:]) == "game.orders: its rows; prices: its rows Redis"
    lines = shown(shop, "kept").splitlines()
    assert [line.split()[0] for line in lines[2:]] == [
        f"kept.{column}"
        for column in (
            *("player_id", "item", "ordered_at", "loaded_at"),
            *("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"),
        )
    ]


def test_json(shop: Path) -> None:
    found = json.loads(shown(shop, "spend:orders", "--json"))
    assert found == {
        "column": "spend@2:orders",
        "feature": True,
        "file": "models/features/spend_v2.sql",
        "sources": ["game.orders.*", "prices.*"],
        "row_sources": [
            "game.orders.at",
            "game.orders.item",
            "game.orders.player",
            "game.orders.state",
            "prices.item",
        ],
        "redis_key": "fsync:{shop/spend@2}:rows",
        "services": [],
        "exposures": [],
        "made_of": {"spend@2:orders": ["priced.*"]},
        "goes_into": {},
        "reaches": [],
        "decides_on_rows_of": [],
        "not_followed": found["not_followed"],
    }
    assert sorted(found["not_followed"]) == ["asks", "of_raw"]
    found = json.loads(shown(shop, "prices.cents", "--format", "json"))
    assert found["goes_into"]["priced.cents"] == ["spend@1:spent", "spend@2:spent"]
    assert [(one["column"], one["redis_key"]) for one in found["reaches"]] == [
        ("spend@1:spent", None),
        ("spend@2:spent", "fsync:{shop/spend@2}:rows"),
    ]
    assert [one["column"] for one in json.loads(shown(shop, "--json"))["columns"]] == [
        "spend@1:spent",
        "spend@2:spent",
        "spend@2:orders",
    ]


def test_a_chart(shop: Path) -> None:
    assert (
        shown(shop, "spend:spent", "--format", "mermaid")
        == """\
flowchart LR
    n0["spend@2:spent"]
    n1["prices.cents"]
    n2["priced.cents"]
    n1 --> n2
    n2 --> n0
    n3["training_set.spent"]
    n0 --> n3
    n4[("fsync:{shop/spend@2}:rows")]
    n0 --> n4
    n5(["service offers"])
    n0 --> n5
    n6(["exposure churn"])
    n3 --> n6
"""
    )


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("spend:spnt", "feature view spend@2 has no feature 'spnt' (did you mean 'spent'?)"),
        (
            "spent:spent",
            "unknown feature view 'spent' (did you mean 'spend'?); if it is new, run `dbt parse`",
        ),
        ("stg_order.item", "there is no model or source 'stg_order' (did you mean 'stg_orders'?)"),
        ("stg_order", "there is no model or source 'stg_order' (did you mean 'stg_orders'?)"),
        ("stg_orders.itm", "stg_orders has no column 'itm' (did you mean 'item'?)"),
        ("spend@3.spent", "there is no model or source 'spend@3' (did you mean 'spend@2'?)"),
        ("game.orders.", "game.orders has no column '' (known: at, item, loaded_at, player, state)"),
        *[
            (
                text,
                f"no column of {relation} is known ({file}); name them in YAML, under its `columns:`",
            )
            for text, relation, file in (
                ("game.raw", "game.raw", "models/sources.yml"),
                ("game.raw.id", "game.raw", "models/sources.yml"),
                ("of_raw", "of_raw", "models/of_raw.sql"),
            )
        ],
        ("spend:", "'spend:' is not a feature reference; write view:feature or view@2:feature"),
    ],
)
def test_what_is_not_there(shop: Path, column: str, words: str) -> None:
    done = run(shop, column)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"fsync: {words}\n")


def test_a_manifest_of_another_warehouse(shop: Path) -> None:
    done = run(shop, "--target", "bigquery")
    assert done.exit_code == 1
    assert "is of a duckdb target, but bigquery is bigquery; run `dbt parse --target bigquery`" in done.stderr


def test_a_project_without_views(tmp_path: Path, shop: Path) -> None:
    manifest = json.loads((shop / "target" / "manifest.json").read_text())
    manifest["nodes"], manifest["exposures"] = {}, {}
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / name).write_text(FILES[name])
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "manifest.json").write_text(json.dumps(manifest))
    done = run(tmp_path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("fsync: the project has no feature view")

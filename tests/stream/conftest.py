"""A shop whose orders come by a log: a source, a seed, an ephemeral model, and views that rest on them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from sync import FeatureStore
from tests.conftest import made_once, run_dbt, write_files

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
    dev: {type: duckdb, path: target/shop.duckdb}
    bigquery: {type: bigquery, method: oauth, project: p, dataset: d}
""",
    "seeds/prices.csv": "item,cents\nsword,300\nhat,50\n",
    "models/sources.yml": """
sources:
  - name: game
    schema: main
    tables: [{name: orders}, {name: visits}]
""",
    "models/stg_orders.sql": """
select
    player.id as player_id,
    item,
    cast(bought as timestamp) as ordered_at,
    cast(loaded_at as timestamp) as loaded_at
from {{ source('game', 'orders') }}
qualify row_number() over (partition by id order by loaded_at) = 1
""",
    "models/priced.sql": """
{{ config(materialized='ephemeral') }}
select orders.*, prices.cents from {{ ref('stg_orders') }} as orders
left join {{ ref('prices') }} as prices on orders.item = prices.item
""",
    "models/asks.sql": """
select player_id, ordered_at as event_timestamp,
    {{ run_query('select 1').columns[0].values()[0] if execute else 1 }} as one
from {{ ref('stg_orders') }}
""",
    # What was known as each order came.
    "models/features/spend.sql": """
select
    player_id,
    max(ordered_at) over known as event_timestamp,
    loaded_at as created_timestamp,
    sum(cents) over known / 100.0 as spent,
    count(*) over known as orders
from {{ ref('priced') }}
window known as (partition by player_id order by loaded_at)
""",
    "models/features/of_two.sql": """
select orders.player_id, ordered_at as event_timestamp, loaded_at as created_timestamp, pages
from {{ ref('stg_orders') }} as orders
left join {{ source('game', 'visits') }} as visits on orders.player_id = visits.player_id
""",
    "models/features/of_none.sql": """
select item as player_id, timestamp '2024-03-01' as event_timestamp, cents,
    timestamp '2024-03-01' as created_timestamp
from {{ ref('prices') }}
""",
    "models/features/asking.sql": """
select player_id, event_timestamp, event_timestamp as created_timestamp, one from {{ ref('asks') }}
""",
    "models/features/kept.sql": """
select player_id, dbt_valid_from as event_timestamp, dbt_valid_from as created_timestamp, item
from {{ ref('orders_history') }}
""",
    "snapshots/orders_history.yml": """
snapshots:
  - name: orders_history
    relation: ref('stg_orders')
    config: {unique_key: player_id, strategy: check, check_cols: all}
""",
    "models/features/features.yml": """
models:
  - name: spend
    columns:
      - {name: player_id, data_type: varchar}
      - {name: event_timestamp, data_type: timestamp}
      - {name: created_timestamp, data_type: timestamp}
      - {name: spent, data_type: double}
      - {name: orders, data_type: bigint}
  - name: of_two
    columns:
      - {name: player_id, data_type: varchar}
      - {name: event_timestamp, data_type: timestamp}
      - {name: created_timestamp, data_type: timestamp}
      - {name: pages, data_type: bigint}
  - name: of_none
    columns:
      - {name: player_id, data_type: varchar}
      - {name: event_timestamp, data_type: timestamp}
      - {name: created_timestamp, data_type: timestamp}
      - {name: cents, data_type: integer}
  - name: asking
    columns:
      - {name: player_id, data_type: varchar}
      - {name: event_timestamp, data_type: timestamp}
      - {name: created_timestamp, data_type: timestamp}
      - {name: one, data_type: integer}
  - name: kept
    columns:
      - {name: player_id, data_type: varchar}
      - {name: event_timestamp, data_type: timestamp}
      - {name: created_timestamp, data_type: timestamp}
      - {name: item, data_type: varchar}
""",
}


def _build(folder: Path) -> None:
    write_files(folder, FILES)
    (folder / "target").mkdir()
    with duckdb.connect(str(folder / "target" / "shop.duckdb")) as connection:
        connection.execute(
            "create table orders (id bigint, player struct(id varchar, name varchar), item varchar, "
            "bought varchar, loaded_at timestamp)"
        )
        connection.execute("create table visits (player_id varchar, pages bigint)")
        connection.execute("insert into visits values ('p1', 7)")
    run_dbt(folder, "build")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "stream_shop", _build)


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def store(shop: Path, redis_url: str) -> Iterator[FeatureStore]:
    with FeatureStore(shop, redis_url=redis_url) as store:
        yield store

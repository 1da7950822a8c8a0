"""What a worker keeps of what it knew, when Redis has changed."""

import asyncio

from sync.instants import DAY
from sync.registry.views import Feature
from sync.serving.catalog import CatalogKeeper
from sync.serving.servers import Servers

from .conftest import PROJECT, Online


def test_plans_stay_until_a_view_is_defined_otherwise(online: Online, redis_url: str) -> None:
    def put(**definition: int) -> None:
        online.view("ranks", [Feature("skill", "float")], {"p1": {"skill": 0.5}}, **definition)

    async def watch() -> None:
        servers = Servers(redis_url, 5.0)
        await servers.open()
        keeper = CatalogKeeper(servers, PROJECT)
        try:
            put()
            first = await keeper.reload()
            assert await keeper.reload() is first
            put()
            synced = await keeper.reload()
            assert synced.metas["ranks"].synced_at > first.metas["ranks"].synced_at
            assert synced.plans is first.plans
            put(ttl=DAY)
            redefined = await keeper.reload()
            assert redefined.plans is not first.plans
            online.service("new", "ranks:skill")
            assert (await keeper.reload()).plans is not redefined.plans
        finally:
            await keeper.close()
            await servers.close()

    asyncio.run(watch())

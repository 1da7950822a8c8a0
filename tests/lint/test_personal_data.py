"""Personal data from a marked column to the feature, past models that say nothing and up to one that does."""

import pytest

from sync.lint.run import lint
from sync.sql.model import Model


def model(name: str, sql: str | None, pii: dict[str, bool] | None = None, is_feature: bool = False) -> Model:
    pii = pii or {}
    return Model(
        name,
        sql=sql,
        relation=(name,),
        columns={"player_id": "varchar", "email": "varchar"} if sql is None else {},
        event_timestamp="event_timestamp",
        keys=("player_id",) if is_feature else (),
        is_feature=is_feature,
        pii=pii,
        personal=frozenset(column for column, personal in pii.items() if personal),
    )


@pytest.mark.parametrize(
    ("between", "of_view", "found"),
    [
        ({}, {}, ["provider is made of int_people.provider, which is personal data"]),
        ({"provider": True}, {}, ["provider is made of int_people.provider, which is personal data"]),
        ({"provider": False}, {}, []),
        ({}, {"provider": True}, []),
        ({}, {"provider": False}, []),
    ],
)
def test_each_model_may_say_what_it_is(
    between: dict[str, bool], of_view: dict[str, bool], found: list[str]
) -> None:
    models = [
        model("people", None, {"email": True, "player_id": True}),
        model("stg_people", "select player_id, email as address from people"),
        model("int_people", "select player_id, lower(address) as provider from stg_people", between),
        model("players", "select player_id, provider from int_people", of_view, is_feature=True),
        # A view that is personal data makes one that reads it so.
        model("again", "select player_id, provider as copy from players", is_feature=True),
    ]
    findings = [one for one in lint(models, "duckdb").findings if one.code == "FS011"]
    of_players = [one.message.partition(";")[0] for one in findings if one.model == "players"]
    assert of_players == found
    personal = bool(found) or of_view.get("provider", False)
    assert [one.message.split(" is ")[0] for one in findings if one.model == "again"] == ["copy"] * personal

"""Bases that can't be created: the real process."""

from pathlib import Path

import pytest

from tests.integration.knowledge.registry.asking import BASES, wanted
from tests.support.github import GitRepository
from tests.support.services import Service

pytestmark = pytest.mark.timeout(300)


async def test_what_can_t_be_a_base_is_refused_with_reasons(
    service: tuple[Service, GitRepository], tmp_path: Path
) -> None:
    running, _ = service
    shared = tmp_path / "shared" / "docs"
    shared.mkdir(parents=True)
    (tmp_path / "shared" / "way-out").symlink_to(tmp_path / "own")
    async with running.client("ada") as ada:
        for field, value in {
            "id": "a/b",
            "name": "",
            "source": "ftp://nowhere",
            "version": "x" * 51,
            "extensions": "md",
            "include": [""],
            "chunkSize": 10,
            "chunkOverlap": 1000,
            "refreshSchedule": "every hour",
            "public": "yes",
        }.items():
            answer = await ada.post(BASES, json=wanted(**{field: value}))
            assert answer.status_code == 400, field
            assert answer.json()["error"] == "Validation failed"
            assert any(where.startswith(field) for where in answer.json()["details"]), answer.json()
        (tmp_path / "shared" / "circle").symlink_to("circle")
        for refused in (
            "file:///etc",
            *((tmp_path / name).as_uri() for name in ("own", "shared/way-out", "shared/circle")),
            "file:///x%00y",
        ):
            answer = await ada.post(BASES, json=wanted(source=refused))
            assert (answer.status_code, list(answer.json()["details"])) == (400, ["source"]), refused
        assert (await ada.post(BASES, json=wanted(source=shared.as_uri()))).status_code == 201
        again = await ada.post(BASES, json=wanted())
        assert (again.status_code, again.json()["error"]) == (
            409,
            "A knowledge base with this id already exists",
        )
        bad = await ada.put(f"{BASES}/handbook", json={"chunkOverlap": 1000})
        assert bad.json()["details"] == {"chunkOverlap": ["must be at most half of chunkSize"]}
        for answer in (
            await ada.put(f"{BASES}/guide", json={"name": "Mine"}),
            await ada.delete(f"{BASES}/guide"),
        ):
            assert (answer.status_code, answer.json()["error"]) == (
                403,
                "Forbidden: guide is defined by the settings file",
            )
        assert (await ada.get(f"{BASES}/guide/syncs", params={"limit": 0})).status_code == 400

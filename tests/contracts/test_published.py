"""Contracts only grow, and programs one release apart understand each other."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner, Result

from contracts import Contract
from contracts.compatibility import breaking_changes
from contracts.published import PRODUCERS, documents, published, schema_of
from takaro_operator.contracts import contracts

FOLDER = Path(__file__).parents[2] / "docs" / "events"
CONTRACTS = [(c, False) for p in PRODUCERS for c in p.commands] + [
    (c, True) for p in PRODUCERS for c in p.facts
]
BY_NAME = {contract.type: (contract, fact) for contract, fact in CONTRACTS}
RELEASES = sorted((FOLDER / "released").glob("*/*.json"))
RELEASED = pytest.mark.parametrize(
    ("release", "name"), [(p.parent.name, p.stem) for p in RELEASES], ids=[p.stem for p in RELEASES]
)
APP = typer.Typer()
APP.command()(contracts)
EACH = pytest.mark.parametrize(("contract", "fact"), CONTRACTS, ids=[c.type for c, _ in CONTRACTS])


@pytest.mark.parametrize(("name", "schema", "fact"), list(published()), ids=[n for n, _, _ in published()])
def test_no_change_breaks_what_was_published(name: str, schema: dict[str, Any], fact: bool) -> None:
    released = json.loads((FOLDER / "schemas" / f"{name}.json").read_text())
    assert breaking_changes(released, schema, fact=fact) == []


def test_what_is_published_is_current() -> None:
    for relative, document in documents():
        assert json.loads((FOLDER / relative).read_text()) == document, "run `make contracts`"


@EACH
def test_schemas_have_no_words_of_openapi_alone(contract: type[Contract], fact: bool) -> None:
    """AsyncAPI has another ``discriminator``, and its page shows a document with ours as an error."""

    def words(node: Any) -> set[str]:
        if isinstance(node, dict):
            return {*node, *(word for value in node.values() for word in words(value))}
        return {word for value in node for word in words(value)} if isinstance(node, list) else set()

    assert not words(schema_of(contract, fact=fact)) & {"discriminator", "nullable", "xml"}


def test_nothing_published_was_withdrawn() -> None:
    names = {path.stem for path in (FOLDER / "schemas").glob("*.json")}
    assert names == {name for name, _, _ in published()}


@RELEASED
def test_a_release_is_never_broken(release: str, name: str) -> None:
    contract, fact = BY_NAME[name]
    assert breaking_changes(_released(release, name), schema_of(contract, fact=fact), fact=fact) == []


@RELEASED
@pytest.mark.parametrize("required_only", [True, False], ids=["least", "all"])
def test_what_a_program_of_a_release_sends_is_understood(
    release: str, name: str, required_only: bool
) -> None:
    example = _example(_released(release, name), required_only=required_only)
    contract, _ = BY_NAME[name]
    read = json.loads(contract.model_validate_json(json.dumps(example)).to_json())
    assert {key: read[key] for key in example} == example


@RELEASED
@pytest.mark.parametrize("required_only", [True, False], ids=["least", "all"])
def test_what_we_send_is_understood_by_a_program_of_a_release(
    release: str, name: str, required_only: bool
) -> None:
    contract, fact = BY_NAME[name]
    example = _example(schema_of(contract, fact=fact), required_only=required_only)
    sent = contract.model_validate_json(json.dumps(example)).to_json()
    jsonschema.validate(json.loads(sent), _released(release, name))


@EACH
def test_an_event_of_the_release_after_is_understood(contract: type[Contract], fact: bool) -> None:
    """It has fields that nobody knows yet."""
    example = _example(schema_of(contract, fact=fact), required_only=False)
    read = contract.model_validate_json(json.dumps({**example, "addedLater": {"deep": [1]}}))
    assert "addedLater" not in json.loads(read.to_json())


def test_a_release_is_kept_once_and_a_change_that_breaks_it_is_refused(tmp_path: Path) -> None:
    def run(*options: str) -> Result:
        return CliRunner().invoke(APP, [str(tmp_path), *options])

    assert run("--release", "1.0.0").exit_code == 0
    kept = tmp_path / "released" / "1.0.0" / f"{CONTRACTS[0][0].type}.json"
    before = kept.read_bytes()
    again = run("--release", "1.0.0")
    assert (again.exit_code, "never changes" in again.stderr) == (2, True)
    demanded = json.loads(before)
    demanded["properties"]["wasThere"] = {"type": "string"}
    kept.write_text(json.dumps(demanded))
    refused = run()
    assert refused.exit_code == 1
    assert "data.wasThere was removed (since 1.0.0)" in refused.stderr


@EACH
def test_what_we_publish_fits_the_published_schema(contract: type[Contract], fact: bool) -> None:
    schema = schema_of(contract, fact=fact)
    event = contract.model_validate_json(json.dumps(_example(schema, required_only=False)))
    jsonschema.validate(json.loads(event.to_json()), schema)


def test_each_kind_of_breaking_change_is_noticed() -> None:
    contract, _ = CONTRACTS[1]
    released = schema_of(contract, fact=False)
    name = released["required"][0]

    removed = copy.deepcopy(released)
    del removed["properties"][name]
    removed["required"].remove(name)
    narrowed = copy.deepcopy(released)
    narrowed["properties"][name] = {"type": "integer"}
    demanding = copy.deepcopy(released)
    demanding["properties"]["extra"] = {"type": "string"}
    demanding["required"].append("extra")
    vague = copy.deepcopy(released)
    vague["required"].remove(name)
    grown = copy.deepcopy(released)
    grown["properties"]["extra"] = {"type": "string"}

    assert breaking_changes(released, removed, fact=False) == [f"data.{name} was removed"]
    assert breaking_changes(released, narrowed, fact=False) == [f"data.{name} changed"]
    assert breaking_changes(released, demanding, fact=False) == ["data.extra is now required"]
    assert breaking_changes(released, vague, fact=True) == [f"data.{name} is no longer always there"]
    assert breaking_changes(released, grown, fact=False) == []


def _released(release: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / "released" / release / f"{name}.json").read_text())
    return schema


def _example(schema: dict[str, Any], *, required_only: bool) -> Any:
    definitions = schema.get("$defs", {})

    def make(node: dict[str, Any]) -> Any:
        if "$ref" in node:
            return make(definitions[node["$ref"].rpartition("/")[2]])
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return node["enum"][0]
        for choice in ("anyOf", "oneOf"):
            if choice in node:
                return make(node[choice][0])
        match node.get("type"):
            case "object":
                names = node.get("required", []) if required_only else node.get("properties", {})
                return {name: make(node["properties"][name]) for name in names}
            case "array":
                return [make(node["items"])] if node.get("items") else []
            case "integer" | "number":
                return node.get("minimum", 1)
            case "boolean":
                return True
            case "null":
                return None
            case "string":
                formats = {
                    "uuid": "0b0e7c1e-8a52-4b0c-9d52-3d5c1d3c9f10",
                    "date-time": "2026-11-22T12:00:00Z",
                }
                return formats.get(node.get("format", ""), "x" * node.get("minLength", 1))
            case _:
                return {}

    return make(schema)

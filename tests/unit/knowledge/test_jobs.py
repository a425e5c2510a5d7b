"""Jobs as the Node application writes them, and the settings file of bases."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from common.errors import Invalid
from common.settings import WrongSetting
from common.trace_context import TraceContext
from knowledge.jobs.connection import worker_client
from knowledge.jobs.wire import job_data_of, parse_job, trace_of, trace_options
from knowledge.registry.registry_file import folders_of, read_registry_file
from knowledge.registry.wire import BaseChange, NewBase
from knowledge.sync.rules import selection_of

DATA = {"knowledgeBaseId": "kb", "version": "1", "source": "https://github.com/a/b/tree/main/docs"}


def test_a_job_has_the_known_defaults() -> None:
    base = parse_job("sync", DATA).base()
    assert (base.extensions, base.chunk_size, base.chunk_overlap) == ((".md", ".txt"), 1000, 200)
    assert parse_job("sync", {**DATA, "extensions": ["md", ".mdx"]}).base().extensions == (".md", ".mdx")


def test_our_jobs_are_the_node_application_s() -> None:
    base = parse_job("sync", DATA).base()
    data = job_data_of(base, "incremental")
    assert set(data) == {"knowledgeBaseId", "version", "source", "extensions", "chunkSize", "chunkOverlap"}
    assert parse_job("immediate-sync", data).base() == base
    assert parse_job("sync", job_data_of(base, "full")).mode == "full"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "no data"),
        (None, "no data"),
        ([], "invalid job data"),
        ({**DATA, "knowledgeBaseId": ""}, "knowledgeBaseId"),
        ({**DATA, "knowledgeBaseId": "a\x00"}, "knowledgeBaseId"),
        ({**DATA, "version": "x" * 51}, "version"),
        ({**DATA, "source": "nowhere"}, "isn't one of https://github.com"),
        ({**DATA, "chunkSize": 0}, "chunkSize"),
        ({**DATA, "chunkOverlap": 1000}, "chunkOverlap must be less"),
        ({**DATA, "extensions": "md"}, "extensions"),
    ],
)
def test_what_is_wrong_with_a_job_is_said(data: object, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        parse_job("sync", data)


def test_trace_context_travels_as_a_json_string() -> None:
    for trace in (
        TraceContext(f"00-{'1' * 32}-{'2' * 16}-01"),
        TraceContext(f"00-{'1' * 32}-{'2' * 16}-01", "vendor=1", "tenant=a,user=b"),
    ):
        assert trace_of(dict(trace_options(trace))) == trace
    assert trace_options(None) == {}
    for odd in ({}, {"tm": "no json"}, {"tm": "[]"}, {"tm": '{"traceparent": 1}'}, {"tm": 5}, {"omc": True}):
        assert trace_of(odd) is None


@pytest.mark.parametrize(
    "text",
    ["knowledgeBases:\n- {id: a, source: docs}", '{"knowledgeBases": [{"id": "a", "source": "docs"}]}'],
)
def test_the_settings_file_is_yaml_or_json_with_paths_relative_to_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bases"
    file.write_text(text)
    [base] = read_registry_file(file)
    assert (base.id, base.name, base.origin) == ("a", "a", "settings")
    assert base.source == (tmp_path / "docs").as_uri()
    assert folders_of([base]) == [tmp_path / "docs"]


def test_an_extension_has_its_dot_whichever_way_the_base_comes_in(tmp_path: Path) -> None:
    written, meant = ["md", ".TXT", "tar.gz"], (".md", ".TXT", ".tar.gz")
    file = tmp_path / "bases.yaml"
    file.write_text(f"knowledgeBases: [{{id: a, source: docs, extensions: {written}}}]")
    [declared] = read_registry_file(file)
    asked = {"id": "a", "name": "A", "source": DATA["source"], "extensions": written}
    made = NewBase.model_validate(asked).base("ada")
    changed = BaseChange.model_validate({"extensions": written}).applied_to(declared)
    queued = parse_job("sync", {**DATA, "extensions": written}).base()
    assert {base.extensions for base in (declared, made, changed, queued)} == {meant}
    assert not selection_of(declared).takes("x.cmd")


def test_what_a_body_may_hold_as_extensions_a_job_may() -> None:
    longest = ["x" * 99] * 200
    asked = {"id": "a", "name": "A", "source": DATA["source"], "extensions": longest}
    base = NewBase.model_validate(asked).base("ada")
    assert parse_job("sync", job_data_of(base, "full")).base().extensions == base.extensions
    for bad in ([*longest, "md"], ["x" * 100], ["."], [""], ["a\x00"]):
        with pytest.raises(ValidationError):
            NewBase.model_validate(asked | {"extensions": bad})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "knowledgeBases: [{id: a}]",
        "knowledgeBases: [{id: a, source: x, typo: 1}]",
        "knowledgeBases: [{id: a, source: x}, {id: a, source: y}]",
        "knowledgeBases: [{id: a, source: 'ftp://x'}]",
        "knowledgeBases: [{id: a, source: x, chunkSize: 100}]",
        "knowledgeBases:\n- id: a\n  source: [\n",
    ],
)
def test_a_settings_file_that_can_not_be_right_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bases.yaml"
    file.write_text(text)
    with pytest.raises(WrongSetting) as caught:
        read_registry_file(file)
    assert "bases.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.yaml"):
        read_registry_file(tmp_path / "none.yaml")


def test_the_local_stack_s_file_names_this_project(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    [base] = read_registry_file(root / "deploy" / "local" / "knowledge-bases.yaml")
    assert base.id == "project-docs"
    assert base.source == root.as_uri()


async def test_the_worker_s_client_may_block_and_answers_in_text() -> None:
    """redis-py's default socket_timeout of 5 s delays pick-up; bytes fail a job after its work."""
    client = worker_client("redis://localhost:6379")
    options = client.connection_pool.connection_kwargs
    assert options["socket_timeout"] is None
    assert options["decode_responses"] is True
    await client.aclose()

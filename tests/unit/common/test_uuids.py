from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import uuids

AS_TEXT = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda value: value.hex.upper()),
    st.uuids().map(lambda value: value.urn),
    st.uuids().map(lambda value: f"{{{value}}}"),
    st.uuids().map(lambda value: "-".join(value.hex)),  # Python's own takes hyphens anywhere
    st.text(),
    st.text(alphabet="0123456789abcdef-", min_size=30, max_size=40),
)


@given(AS_TEXT)
def test_reads_what_uuid_reads(text: str) -> None:
    try:
        expected = UUID(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"badly formed|invalid literal"):
            uuids.read(text)
    else:
        assert uuids.read(text) == expected


def test_writes_as_str_does() -> None:
    value = uuid4()
    assert uuids.write(value) == uuids.write(UUID(str(value))) == str(value)

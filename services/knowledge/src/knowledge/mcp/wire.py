"""What the tools take. Their bounds are those of HTTP, or narrower: an agent reads every word."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from contracts.storable import Text
from knowledge.bases.wire import Version
from knowledge.reading.wire import MAX_PATH
from knowledge.search.records import Mode
from knowledge.search.wire import BaseName, Filters, QuestionText, each_once
from servicekit.answers import Body
from servicekit.keysets import MAX_CURSOR

MAX_BASES, MAX_HITS, MAX_CHUNKS = 100, 20, 100
_OF_VERSION = "One of the base's versions. Leave it out for the current one."


class ListKnowledgeBases(Body):
    """List the knowledge bases that you can search, with what each is about."""

    limit: int = Field(50, ge=1, le=MAX_BASES)
    cursor: Annotated[Text, StringConstraints(max_length=MAX_CURSOR)] | None = Field(
        None, description="`nextCursor` of the page before."
    )


class SearchKnowledge(Body):
    """Search knowledge bases for the passages that answer a question. Ask a whole question, in the words of
    the documentation where you know them. Each passage names its source file and links to it; read_source
    has the text around it."""

    query: QuestionText = Field(description="The question.")
    knowledge_base_ids: Annotated[
        list[BaseName], Field(min_length=1, max_length=20), AfterValidator(each_once)
    ] = Field(description="Ids of list_knowledge_bases, which are searched together.")
    limit: int = Field(5, ge=1, le=MAX_HITS, description="How many passages.")
    mode: Mode = Field("hybrid", description="By meaning and words, by meaning (vector) or by words (text).")
    filters: Filters | None = Field(None, description='Such as {"path": {"prefix": "docs/"}}.')
    version: Version | None = Field(None, description=_OF_VERSION)


class ReadSource(Body):
    """Read a source file of a knowledge base, as it was indexed: the whole text around a passage."""

    knowledge_base_id: BaseName
    path: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_PATH)] = Field(
        description="`sourceFile` of a passage."
    )
    first_chunk: int = Field(
        0, ge=0, le=2**31 - 1, description="Where to begin: a passage's position, or `nextChunk`."
    )
    limit: int = Field(20, ge=1, le=MAX_CHUNKS, description="How many chunks, of some 1,000 characters each.")
    version: Version | None = Field(None, description=_OF_VERSION)

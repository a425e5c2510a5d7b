"""PDF through pypdf in a separate process: a file made to burn time or memory harms only that process."""

import json
import subprocess
import sys
from pathlib import Path

from knowledge.documents.document import Document, FileUnreadable, UnsupportedContent

TIMEOUT_SECONDS = 60.0
_PROGRAM = Path(__file__).with_name("pdf_program.py")


def is_pdf(content: bytes) -> bool:
    """Whether the bytes are a PDF. Its signature may follow other bytes, within the first kilobyte."""
    return b"%PDF-" in content[:1024]


def pdf_to_document(content: bytes, *, timeout: float = TIMEOUT_SECONDS) -> Document:
    """The text of all pages, and the title in the file's properties.

    Raises :class:`UnsupportedContent` for a damaged or encrypted file and for one with only pictures. Raises
    ``FileUnreadable`` if reading took too much time or memory: the next sync tries again.
    """
    if not is_pdf(content):
        raise UnsupportedContent("the file isn't a PDF")
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_PROGRAM)],
            input=content,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise FileUnreadable(f"the PDF was not read within {timeout:g} s") from error
    except ValueError as error:
        raise FileUnreadable(f"the PDF could not be read: its reader ended with {done.returncode}") from error
    if reason := answer.get("refused"):
        raise UnsupportedContent(reason)
    return Document(answer["text"], title=answer["title"])

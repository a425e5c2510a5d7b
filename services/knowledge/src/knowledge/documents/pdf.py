"""PDF through pypdf, in a process of its own: a file made to burn time or memory costs neither us."""

import json
import subprocess
import sys
from pathlib import Path

from knowledge.documents.document import Document, FileUnreadable, UnsupportedContent

TIMEOUT_SECONDS = 60.0
_PROGRAM = Path(__file__).with_name("pdf_program.py")


def is_pdf(content: bytes) -> bool:
    """Whether the bytes are a PDF's: its mark may follow other bytes, within the first kilobyte."""
    return b"%PDF-" in content[:1024]


def pdf_to_document(content: bytes, *, timeout: float = TIMEOUT_SECONDS) -> Document:
    """The text of all pages, and the title of the file's properties.

    Raises :class:`UnsupportedContent` for a damaged or encrypted file and for one of pictures only, and
    ``FileUnreadable`` when reading took too long or too much: that is tried again at the next sync.
    """
    if not is_pdf(content):
        raise UnsupportedContent("the file is no PDF")
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

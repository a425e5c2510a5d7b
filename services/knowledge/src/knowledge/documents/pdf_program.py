"""Reads a PDF on standard input and prints ``{"title", "text"}`` or ``{"refused": reason}`` as JSON.

Run by its path, so that it imports nothing but pypdf.
"""

import json
import logging
import resource
import sys
from io import BytesIO
from typing import Any

from pypdf import PdfReader

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 60
MAX_TEXT = 20_000_000
"""Maximum characters of text: a compressed file of 10 MB could hold far more than a document does."""


def read(content: bytes) -> dict[str, Any]:
    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"refused": "the PDF is encrypted"}
    pages, size = [], 0
    for page in reader.pages:
        text = page.extract_text().strip()
        size += len(text)
        if size > MAX_TEXT:
            return {"refused": "the PDF has more text than a document would"}
        if text:
            pages.append(text)
    if not pages:
        return {"refused": "the PDF has no text: its pages are pictures or empty"}
    title = reader.metadata.title if reader.metadata else None
    return {"title": " ".join(title.split()) if isinstance(title, str) else "", "text": "\n\n".join(pages)}


def main() -> None:
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    try:
        answer = read(sys.stdin.buffer.read())
    except MemoryError:
        sys.exit(3)
    except Exception as error:  # noqa: BLE001 - whatever a parser of damaged files raises, the file is damaged
        answer = {"refused": f"the PDF is damaged: {type(error).__name__}: {error}"[:300]}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()

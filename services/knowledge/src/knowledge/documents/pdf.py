"""PDF through pypdf."""

from io import BytesIO

from knowledge.documents.document import Document, UnsupportedContent

MAX_TEXT = 20_000_000
"""Characters of text: a compressed file of 10 MB could hold far more than anybody wrote."""


def is_pdf(content: bytes) -> bool:
    """Whether the bytes are a PDF. Its signature may follow other bytes, within the first kilobyte."""
    return b"%PDF-" in content[:1024]


def pdf_to_document(content: bytes) -> Document:
    """The text of all pages, and the title in the file's properties.

    Raises :class:`UnsupportedContent` for a damaged or encrypted file and for one with only pictures.
    """
    if not is_pdf(content):
        raise UnsupportedContent("the file isn't a PDF")
    try:
        return _read(content)
    except (UnsupportedContent, MemoryError):
        raise
    except Exception as error:  # whatever a parser of damaged files raises, the file is damaged
        raise UnsupportedContent(f"the PDF is damaged: {type(error).__name__}: {error}"[:300]) from error


def _read(content: bytes) -> Document:
    from pypdf import PdfReader  # 50 MB of modules, which only those need who read PDFs

    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnsupportedContent("the PDF is encrypted")
    pages, size = [], 0
    for page in reader.pages:
        text = page.extract_text().strip()
        size += len(text)
        if size > MAX_TEXT:
            raise UnsupportedContent("the PDF holds more text than a document does")
        if text:
            pages.append(text)
    if not pages:
        raise UnsupportedContent("the PDF has no text: its pages are pictures or empty")
    title = reader.metadata.title if reader.metadata else None
    return Document("\n\n".join(pages), title=" ".join(title.split()) if isinstance(title, str) else "")

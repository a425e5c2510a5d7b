"""PDF through PDFium, which shows PDFs in Chromium: it reads what people can read."""

from typing import TYPE_CHECKING

from knowledge.documents.document import Document, UnsupportedContent
from knowledge.documents.typesetting import HYPHENATED, as_words

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

MAX_TEXT = 20_000_000
"""Characters of text: a compressed file of 10 MB could hold far more than anybody wrote."""

_PASSWORD = 4  # FPDF_ERR_PASSWORD
_HYPHEN = "\x02"
"""PDFium's sign for a hyphen at the end of a line; it has joined the lines."""

_NAMED_PAGES = 20


def is_pdf(content: bytes) -> bool:
    """Whether the bytes are a PDF. Its signature may follow other bytes, within the first kilobyte."""
    return b"%PDF-" in content[:1024]


def pdf_to_document(content: bytes) -> Document:
    """The text of all pages that can be read, and the title in the file's properties. ``note`` names pages
    that can't be read; those that show nothing may be empty, or damaged.

    Raises :class:`UnsupportedContent` for a damaged or encrypted file and for one with only pictures.
    """
    if not is_pdf(content):
        raise UnsupportedContent("the file isn't a PDF")
    # 10 MB of library, which only those need who read PDFs.
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        document = PdfDocument(content)
    except PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise UnsupportedContent("the PDF is encrypted") from error
        raise UnsupportedContent(f"the PDF is damaged: {error}"[:300]) from error
    with document:
        return _read(document)


def _read(document: "PdfDocument") -> Document:
    pages: list[str] = []
    unread: list[int] = []
    silent: list[int] = []
    size = 0
    for index in range(len(document)):
        text, shows = _text_of(document, index)
        size += len(text)
        if size > MAX_TEXT:
            raise UnsupportedContent("the PDF holds more text than a document does")
        if text.strip():
            pages.append(text)
        elif shows is None:
            unread.append(index + 1)
        elif not shows:
            silent.append(index + 1)
    if not pages and unread:
        raise UnsupportedContent("the PDF is damaged: none of its pages can be read")
    if not pages:
        raise UnsupportedContent("the PDF has no text: its pages are pictures or empty")
    told = [_named(unread, "damaged and left out"), _named(silent, "empty, or damaged")]
    title = as_words(document.get_metadata_value("Title"))
    text = as_words("\n\n".join(pages))
    return Document(text.strip(), title=" ".join(title.split()), note="; ".join(filter(None, told)))


def _text_of(document: "PdfDocument", index: int) -> tuple[str, bool | None]:
    """A page's text, and whether it shows anything; ``None`` for a page that can't be read."""
    from pypdfium2 import PdfiumError
    from pypdfium2.raw import FPDFPage_CountObjects

    page: PdfPage | None = None
    try:
        page = document[index]
        text = page.get_textpage().get_text_bounded()
        return text.replace(_HYPHEN, HYPHENATED), FPDFPage_CountObjects(page) > 0
    except PdfiumError:
        return "", None
    finally:
        if page is not None:
            page.close()


def _named(pages: list[int], state: str) -> str:
    if not pages:
        return ""
    named = ", ".join(map(str, pages[:_NAMED_PAGES]))
    more = f" and {len(pages) - _NAMED_PAGES} more" if len(pages) > _NAMED_PAGES else ""
    return f"{'page' if len(pages) == 1 else 'pages'} {named}{more}: {state}"

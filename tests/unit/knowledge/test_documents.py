"""From bytes to the text that is indexed."""

import json
from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter

from knowledge.documents import UnsupportedContent, decode_text, read_document
from tests.support.pdf import make_pdf


def test_a_title_that_the_text_begins_with_is_not_said_twice() -> None:
    content = b"---\ntitle: Levers\ndescription: How to pull them\n---\n# Levers\n\nPull slowly.\n"
    assert read_document("a.md", content) == "# Levers\n\nHow to pull them\n\nPull slowly."
    assert read_document("a.md", b"---\ntitle: Levers\n---\n# Levers\nPull.") == "# Levers\nPull."


def test_mdx_loses_its_code_and_keeps_what_a_reader_sees() -> None:
    source = """---
title: Levers
---
import Tabs from '@theme/Tabs'
import {
  A,
  B,
} from "./parts"

export const meta = {
  depth: 1,

  more: ["x"],
}

import duties are high, they say. {/* a {nested} comment */}

<Tabs items={["a", "b"]} onClick={() => { run("}") }}>
  <Tab title="First tab">Pull **slowly**, {"not"} {variable} fast. 1 < 2 and `<Kept> {as} code`.</Tab>
</Tabs>

```jsx
import Kept from 'kept'
<Kept>{too}</Kept>
```

A brace { that never closes, and a <https://example.org/> too.
"""
    text = read_document("a.mdx", source.encode())
    for gone in ("@theme", "./parts", "depth", "more:", "comment", "items", "run(", "variable", "<Tab"):
        assert gone not in text
    for kept in (
        "# Levers",
        "import duties are high",
        "First tab",
        "Pull **slowly**, not",
        "1 < 2 and `<Kept> {as} code`",
        "import Kept from 'kept'\n<Kept>{too}</Kept>",
        "A brace { that never closes, and a <https://example.org/> too.",
    ):
        assert kept in text


def test_html_becomes_the_text_of_its_main_part() -> None:
    page = """<?xml version="1.0"?><!doctype html><html><head><title> All about
      levers</title><meta name="Description" content="How to pull them"><style>p {}</style></head>
      <body><nav>Menu</nav><header>Site</header><main><h1>Levers</h1><p>Pull <a href="/x">slowly</a>.</p>
      <ul><li>one</li><li>two</li></ul><pre>a = 1\nb = 2</pre>
      <table><tr><th>lever</th><th>does</th></tr><tr><td>red</td><td>stops</td></tr></table>
      <script>evil()</script><aside>Advert</aside></main><footer>Imprint</footer></body></html>"""
    text = read_document("a.html", page.encode())
    for kept in ("# All about levers", "How to pull them", "# Levers", "Pull slowly.", "- one\n- two"):
        assert kept in text
    assert "a = 1\nb = 2" in text
    assert "| red | stops |" in text
    for gone in ("Menu", "Site", "evil", "Advert", "Imprint", "p {}", "/x"):
        assert gone not in text


def test_html_says_its_encoding_itself() -> None:
    page = '<html><head><meta charset="windows-1251"></head><body>Привет</body></html>'
    assert read_document("a.html", page.encode("cp1251")) == "Привет"
    assert read_document("a.htm", "<p>Grüße</p>".encode()) == "Grüße"


def test_html_may_leave_out_its_head_and_body() -> None:
    assert read_document("a.html", b"<title>Levers</title><main>Pull.</main>") == "# Levers\n\nPull."


def test_html_nested_beyond_reason_fails_alone() -> None:
    for depth in (3_000, 100_000):
        page = b"<div>" * depth + b"deep" + b"</div>" * depth
        with pytest.raises(UnsupportedContent, match=r"nested too deeply|more than 100,000 tags"):
            read_document("a.html", page)


def test_pdf_gives_its_text_and_title() -> None:
    content = make_pdf(["Pull the red lever.", "Then wait."], title="Levers")
    text = read_document("manual.PDF", content)
    assert text.startswith("# Levers\n\n")
    assert "Pull the red lever." in text
    assert text.index("Then wait.") > text.index("red lever")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no pdf at all", "isn't a PDF"),
        (b"%PDF-1.7\nbut broken from here on", "damaged"),
        (make_pdf([""]), "no text"),
    ],
)
def test_a_pdf_without_text_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnsupportedContent, match=reason):
        read_document("a.pdf", content)


def test_an_encrypted_pdf_is_refused() -> None:
    writer = PdfWriter(PdfReader(BytesIO(make_pdf(["hidden"]))))
    writer.encrypt("secret", algorithm="RC4-128")
    encrypted = BytesIO()
    writer.write(encrypted)
    with pytest.raises(UnsupportedContent, match="encrypted"):
        read_document("a.pdf", encrypted.getvalue())


def test_code_is_text_as_it_is() -> None:
    source = "def pull(lever: str) -> None:\n    print(f'<b>{lever}</b>')\n"
    assert read_document("a.py", source.encode()) == source
    assert read_document("Makefile", b"all:\n\techo\n") == "all:\n\techo\n"
    assert json.loads(read_document("a.json", b'{"title": 1}')) == {"title": 1}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("caf\xe9", "cp1252"),
        ("Die Grüße aus München, und noch ein längerer Satz dazu.", "latin-1"),
        ("Привет, это обычный русский текст про рычаги.", "cp1251"),
        ("Привет, это обычный русский текст про рычаги.", "koi8-r"),
        ("日本語のテキストです。これはテストです。", "shift_jis"),
        ("这是一个中文文本。它是用来测试的。", "gb18030"),
        ("Grüße", "utf-16"),
        ("Grüße", "utf-32"),
        ("\ufeffGrüße", "utf-8"),
    ],
)
def test_text_in_other_encodings_is_read(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == text.lstrip("\ufeff")


def test_damaged_utf8_stays_utf8_and_lines_end_alike() -> None:
    assert decode_text("Grüße und Küsse".encode() + b"\xe9") == "Grüße und Küsse\ufffd"
    assert decode_text(b"a\r\nb\rc") == "a\nb\nc"
    assert read_document("a.txt", b"") == ""


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00", bytes(range(1, 32)) * 10, b"text\x00more"])
def test_binary_content_is_refused(content: bytes) -> None:
    for name in ("a.md", "a.txt", "a.html", "a.mdx"):
        with pytest.raises(UnsupportedContent, match="binary"):
            read_document(name, content)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(UnsupportedContent, match="larger than 10 MB"):
        read_document("a.md", b"x" * (10 * 1024 * 1024 + 1))
    with pytest.raises(UnsupportedContent, match="larger than 1,000 bytes"):
        read_document("a.md", b"x" * 1001, max_bytes=1000)


def test_what_postgres_can_not_store_is_gone() -> None:
    assert "\x00" not in read_document("a.html", b"<p>a&#0;b</p>")
    read_document("a.html", b"<p>&#xD800;</p>").encode()

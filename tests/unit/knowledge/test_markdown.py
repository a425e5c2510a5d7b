"""What a reader of Markdown and notebooks sees is indexed: no comments, no bytes of pictures, no signs
without a glyph."""

import base64
import json
import re
from typing import Any

import pytest

from knowledge.documents import UnsupportedContent, read_document

PICTURE = base64.b64encode(bytes(range(256)) * 200).decode()
LINES = "\n".join(re.findall(".{1,76}", PICTURE))


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("a <!-- not\n\nseen --> b", "a  b"),
        ("<!-- toc -->\nPull.\n<!--->\nWait.", "Pull.\nWait."),
        ("[//]: # (not seen)\nPull.\n[comment]: <> 'x'\nWait.", "Pull.\nWait."),
        ("`<!-- seen -->`", "`<!-- seen -->`"),
        ("```html\n<!-- seen -->\n```\nb<!-- not -->", "```html\n<!-- seen -->\n```\nb"),
        ("~~~\n```\n<!-- seen -->\n~~~\n", "~~~\n```\n<!-- seen -->\n~~~\n"),
        ("> ```\n> <!-- seen -->\n\n<!-- not -->", "> ```\n> <!-- seen -->\n\n"),
        ("- a\n\n  ```\n  &amp;\n  ```\n  &amp;", "- a\n\n  ```\n  &amp;\n  ```\n  &"),
        ("<!--\n```\nnot seen\n```\n-->\nPull.", "Pull."),
        ("Code:\n\n    &lt;b&gt; <!-- seen -->\n\n    &amp;\n\n&amp;",
         "Code:\n\n    &lt;b&gt; <!-- seen -->\n\n    &amp;\n\n&"),
        ("- a\n\n    goes on &amp; on", "- a\n\n    goes on & on"),
        ("a\n    goes on &amp; on", "a\n    goes on & on"),
        ("a <!-- that never ends\n\nPull.", "a <!-- that never ends\n\nPull."),
        ("1 `one ``two` &amp; three``", "1 `one ``two` & three``"),
        ("an unclosed ` tick\n\n&amp; ` another", "an unclosed ` tick\n\n& ` another"),
        ("&copy; 2&nbsp;km, caf&eacute; &#8212; &#x41; AT&T &nosuch; &amp;lt;",
         "© 2\xa0km, café — A AT&T &nosuch; &lt;"),
        (r"MAX\_SIZE, C\+\+, \<T\>, \*a\* and `\_`", r"MAX_SIZE, C++, <T>, \*a\* and `\_`"),
        ("an unclosed ``` `x` &amp; y", "an unclosed ``` `x` & y"),
        ("# Levers {#all-levers}\nPull {#x} it.", "# Levers \nPull {#x} it."),
        ("lever\u00adage, in\u200bvisible, \ufeffmark, \u202eturned\u202c, &shy;soft, \U000e0041tag",
         "leverage, invisible, mark, turned, soft, tag"),
        ("می\u200cکنم, 👩\u200d🚒, ภาษา\u200bไทย", "می\u200cکنم, 👩\u200d🚒, ภาษา\u200bไทย"),
        (f"![A lever](data:image/png;base64,{PICTURE}) pulled", "![A lever](data:image/png) pulled"),
        (f"![A][1]\n\n[1]: <data:image/png;base64,{LINES}>\nPull.",
         "![A][1]\n\n[1]: <data:image/png>\nPull."),
        (f'<img src="data:image/svg+xml;charset=utf-8;base64,{LINES}" alt="A lever">',
         "A lever"),
        ('<h1 align="center">Levers</h1>\n\n<a id="all"></a>\n## <b>P</b>ull\n2<sup>31</sup> 1<sup>st</sup>',
         "Levers\n\n\n## Pull\n2^31 1st"),
        ("<table><tr><td>a</td><td>b</td></tr></table>\n<script>\nevil()\n</script>\nPull<br/>slowly <p>now",
         "  a  b  \n\nPull slowly now"),
        ("<details>\n<summary>More</summary>\n\nPull.\n</details>", "\nMore\n\nPull.\n"),
        ("a|b\n-|:-:\n1|2|3|4\n|5|\n`x|y`|6\n\n7|8|9", "a|b\n-|:-:\n1|2|\n|5|\n`x|y`|\n\n7|8|9"),
        ("| a |\n| --- |\n| 1 | 2 |  \n| \\| | 3 |\n> 4 | 5", "| a |\n| --- |\n| 1 |\n| \\| |\n> 4 | 5"),
        ("a | b\n---\n1 | 2 | 3", "a | b\n---\n1 | 2 | 3"),
        ("| a |\n|---|\n| x &#124; y | z |", "| a |\n|---|\n| x \\| y |"),
        ("Code:\n\n    a|b\n    -|-\n    1|2|3", "Code:\n\n    a|b\n    -|-\n    1|2|3"),
        ("```\na|b\n-|-\n1|2|3\n```", "```\na|b\n-|-\n1|2|3\n```"),
        ("List<String>, <T>, <a@b.c>, <https://a.b>, `<b>`, a < b > c, a <code> and <b",) * 2,
        ("1 <script>a</script", "1 a</script"),
        ("![](data:image/png;base64,iVBORw0KGgo...)", "![](data:image/png;base64,iVBORw0KGgo...)"),
        (f"![A lever](data:image/svg+xml,{'%3Csvg' * 50}) pulled", "![A lever](data:image/svg+xml) pulled"),
        ("The data: image/png; a data:text/plain,word and data:;base64 stay.",
         "The data: image/png; a data:text/plain,word and data:;base64 stay."),
    ],
)  # fmt: skip
def test_markdown_is_what_its_reader_sees(source: str, shown: str) -> None:
    assert read_document("a.md", source.encode()) == shown


@pytest.mark.parametrize("name", ["a.txt", "a.mdx", "a.py", "a.html", "a.css", "a"])
def test_no_format_keeps_the_bytes_of_pictures_or_signs_without_a_glyph(name: str) -> None:
    source = f'<p>lever\u00adage <img alt="A lever" src="data:image/png;base64,{PICTURE}"> pulled</p>'
    text = read_document(name, source.encode())
    assert "leverage" in text
    assert "pulled" in text
    assert PICTURE[:60] not in text


@pytest.mark.parametrize(
    "first", ["version https://git-lfs.github.com/spec/v1", "version https://hawser.github.com/spec/v1"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_pointer_to_large_file_storage_is_refused(mark: str, first: str, end: str) -> None:
    pointer = mark + end.join((first, "oid sha256:00", "size 1", ""))
    for name in ("a.md", "a.pdf", "a.ipynb"):
        with pytest.raises(UnsupportedContent, match="Git LFS"):
            read_document(name, pointer.encode())
    assert "spec/v1" in read_document("a.md", f"A pointer begins with\n{first}\n".encode())


def notebook(*cells: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | more).encode()


def test_a_notebook_is_its_cells_and_what_they_wrote() -> None:
    content = notebook(
        {"cell_type": "raw", "source": "---\ntitle: Levers\n---"},
        {
            "cell_type": "markdown",
            "source": ["Pull &amp; wait.\n", "![](attachment:a.png)<!-- not seen -->"],
            "attachments": {"a.png": {"image/png": PICTURE}},
        },
        {
            "cell_type": "code",
            "source": ["pull(\n", "  1)"],
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31mpulled\x1b[0m\n"]},
                {"data": {"image/png": PICTURE, "text/plain": "<Figure 1>", "text/html": "<b>"}},
                {"data": {"application/javascript": "run()"}},
                {"output_type": "error", "ename": "Stuck", "evalue": "too hard", "traceback": ["x" * 99]},
            ],
        },
        {"cell_type": "code", "source": "", "outputs": "none", "metadata": None},
        metadata={"language_info": {"name": "julia"}},
    )
    assert read_document("a.ipynb", content) == (
        "# Levers\n\nPull & wait.\n![](attachment:a.png)\n\n```julia\npull(\n  1)\n```\n\n"
        "pulled\n\n<Figure 1>\n\nStuck: too hard"
    )


def test_an_old_notebook_is_read_too() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Levers"]},
        {"cell_type": "code", "input": "pull()"},
    ]
    content = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode()
    assert read_document("a.ipynb", content) == "## Levers\n\n```python\npull()\n```"
    assert read_document("a.ipynb", b" \n") == ""


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": 1}', b"text"])
def test_what_is_no_notebook_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedContent, match="notebook"):
        read_document("a.ipynb", content)

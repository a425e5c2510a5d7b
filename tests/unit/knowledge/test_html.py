"""Pages: each kind of thing that a reader sees, and each that nobody does."""

import pytest

from knowledge.documents import UnsupportedContent, read_document
from knowledge.documents.html import html_to_document


def read(body: str) -> str:
    return read_document("a.html", f"<!doctype html><meta charset=utf-8><body>{body}</body>".encode())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>It holds 2<sup>31</sup> pulls.", "It holds 2^31 pulls."),
        ("<p>10<sup>-3</sup> and x<sup>n+1</sup>", "10^-3 and x^(n+1)"),
        ("<p>The 1<sup>st</sup> lever<sup>TM</sup>", "The 1st leverTM"),
        ("<p>Water is H<sub>2</sub>O", "Water is H2O"),
        ('<p>As known<sup><a href="#fn1">1</a></sup>.', "As known[1]."),
        ("<p>ef&shy;fi&#8203;cient&#xfeff; fulcrum", "efficient fulcrum"),
        ("<p>ภาษา&#8203;ไทย", "ภาษา\u200bไทย"),  # which separates words in Thai, as in every other format
        ("<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rt>ji</rt></ruby>", "漢字 (kanji)"),
        ("<ol start=3><li>three<li>four</ol>", "3. three\n4. four"),
        ("<ol start=" + "9" * 5000 + "><li>a</ol>", "1. a"),
        ("<p>One<br>two", "One\ntwo"),
        ("<div>One</div><div>two</div>", "One\n\ntwo"),
        ("<p><b>L</b>ever", "Lever"),
        ("<p>See <code>pull()</code>.", "See `pull()`."),
        ("<div role=heading aria-level=3>Pull</div>", "### Pull"),
        ('<img src=a alt="A red lever">', "A red lever"),
        ("<table><tr><td colspan=1000>a<td>b</table>", "| a | b |\n| --- | --- |"),
    ],
)
def test_a_page_reads_as_it_looks(body: str, text: str) -> None:
    assert read(body) == text


@pytest.mark.parametrize(
    "heading",
    [
        '<h2 id=x>Pull<a class=headerlink href="#x">¶</a></h2>',
        '<h2 id=x>Pull<a class=anchor href="#x">§</a></h2>',
        '<h2 id=x><a class=anchor href="#x">#</a> Pull</h2>',
        '<h2 id=x>Pull <a href="https://docs.example/page#x">🔗</a></h2>',
        '<h2 id=x>Pull<a class=hash-link href="#x">&#8203;</a></h2>',
        '<h2 id=x>Pull<a class=headerlink href="#x">Link</a></h2>',
        '<h2 id=x><a class=header href="#x">Pull</a></h2>',
        "<button aria-controls=y class=accordion><h2>Pull</h2></button>",
        "<h2><button type=button aria-expanded=false>Pull</button></h2>",
    ],
)
def test_a_heading_is_its_words(heading: str) -> None:
    assert read(f"{heading}<p>Pull slowly.") == "## Pull\n\nPull slowly."


@pytest.mark.parametrize(
    "formula",
    [
        "<math><mi>x</mi><annotation encoding='application/x-tex'>E = mc^2</annotation></math>",
        "<math alttext='E = mc^2'><mi>E</mi></math>",
        "<script type='math/tex'>E = mc^2</script>",
        "<i style='display:none'><math><annotation encoding='application/x-tex'>E = mc^2</annotation></math>"
        "</i><img src=a aria-hidden=true alt='E = mc^2'>",
    ],
)
def test_a_formula_is_its_tex(formula: str) -> None:
    assert read(f"<p>The energy is {formula}.") == "The energy is $E = mc^2$ ."


def test_mathml_without_tex_keeps_its_exponents() -> None:
    assert read("<p><math><msup><mi>c</mi><mn>2</mn></msup></math>") == "c^2"


@pytest.mark.parametrize(
    "unseen",
    [
        "<p hidden>Not yet told to anybody here.",
        "<div style='display:none'>Not yet told to anybody here.</div>",
        "<span class=sr-only>Not yet told to anybody here.</span>",
        "<dialog>Not yet told to anybody here.</dialog>",
        "<div role=dialog>Not yet told to anybody here.</div>",
        "<template><p>Not yet told to anybody here.</template>",
        "<noscript>Not yet told to anybody here.</noscript>",
        "<select><option>Not yet told to anybody here.</select>",
        "<textarea>Not yet told to anybody here.</textarea>",
        "<svg><title>Not yet told to anybody here.</title></svg>",
    ],
)
def test_what_nobody_sees_is_no_text(unseen: str) -> None:
    assert read(f"<p>Pull slowly.</p>{unseen}") == "Pull slowly."


@pytest.mark.parametrize(
    "seen",
    [
        "<details><summary>More</summary><p>Told on request only.</p></details>",
        "<div role=tabpanel hidden><p>Told on request only.</p></div>",
        "<p hidden=until-found>Told on request only.</p>",
        "<div aria-hidden=true><p>Told on request only, since a window is above it.</p></div>",
        "<svg><text>Told on request only.</text></svg>",
        "<footer><p>Told on request only.</p></footer>",
        "<nav><p>Told on request only.</p><ul><li><a href=/a>Elsewhere</a></ul></nav>",
        "<aside><p>Told on request only.</p><ul><li><a href=/a>Elsewhere</a></ul></aside>",
    ],
)
def test_text_is_kept_wherever_it_stands(seen: str) -> None:
    for page in (seen, f"<main><p>Pull slowly.</p>{seen}</main>", f"<main><p>Pull slowly.</p></main>{seen}"):
        text = read(page)
        assert "Told on request only" in text
        assert "Elsewhere" not in text


def test_at_most_a_fiftieth_of_the_sentences_outside_the_main_part_is_left_out() -> None:
    main = "".join(f"<p>The lever number {number} was pulled.</p>" for number in range(200))
    beside = "".join(f"<p>The note number {number} was read.</p>" for number in range(3))
    assert "note number" not in read(f"<main>{main}</main><div>{beside}</div>")
    many = "".join(f"<p>The note number {number} was read.</p>" for number in range(8))
    text = read(f"<main>{main}</main><div>{many}</div>")
    assert text.count("was pulled.") == 200
    assert text.count("was read.") == 8


def test_a_list_of_the_headings_of_a_page_goes_and_one_of_other_places_stays() -> None:
    contents = '<ul><li><a href="#a">Pull it</a><li><a href="#b">Let go</a></ul>'
    steps = '<ol><li><a href="#c">the red lever</a><li><a href="#d">the blue lever</a></ol>'
    text = read(f"{contents}<h2 id=a>Pull it</h2><p>Pull slowly.{steps}<h2 id=b>Let go</h2><p>Let it go.")
    assert text.count("Pull it") == 1
    assert "1. the red lever\n2. the blue lever" in text


def test_a_page_that_only_lists_links_keeps_them() -> None:
    links = "".join(f"<li><a href=/{name}>{name}</a>" for name in ("one", "two", "three", "four"))
    for page in (f"<h1>Levers</h1><ul>{links}</ul>", f"<main><h1>Levers</h1><ul>{links}</ul></main>"):
        assert read(page) == "# Levers\n\n- one\n- two\n- three\n- four"


@pytest.mark.parametrize(
    "row",
    [
        '<td class="blob-num" data-line-number="{number}"></td><td class="blob-code">{line}</td>',
        '<td class="hljs-ln-numbers">{number}</td><td class="hljs-ln-code">{line}</td>',
    ],
)
def test_code_in_a_table_of_lines_is_code(row: str) -> None:
    lines = ["def pull():", "    return 1"]
    rows = "".join(f"<tr>{row.format(number=n, line=line)}</tr>" for n, line in enumerate(lines, 1))
    assert read(f"<table class='highlight hljs-ln'>{rows}</table>") == "```\ndef pull():\n    return 1\n```"


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("utf-16", "utf-8", "Grüße"),
        ("utf-16le", "utf-8", "Grüße"),
        ("gb2312", "gbk", "這裡有一個槓桿"),
        ("gb2312", "gb18030", "槓桿㐂"),
        ("iso-8859-1", "cp1252", "“slowly” – €5"),  # noqa: RUF001
        ("us-ascii", "cp1252", "“slowly”"),
        ("latin1", "cp1252", "it’s"),  # noqa: RUF001
        ("shift_jis", "cp932", "①レバー"),
        ("ks_c_5601-1987", "cp949", "레버똠"),
        ("big5", "big5hkscs", "槓桿"),
        ("x-user-defined", "cp1252", "Grüße"),
        ("iso-8859-9", "cp1254", "ağır “kol”"),  # noqa: RUF001
        ("tis-620", "cp874", "คันโยก"),
        ("unknown-label", "utf-8", "Grüße"),
    ],
)
def test_labels_of_encodings_mean_what_they_mean_in_browsers(label: str, encoding: str, text: str) -> None:
    for meta in (
        f'<meta charset="{label}">',
        f"<META http-equiv=Content-Type content='text/html; charset={label}'>",
    ):
        assert (
            read_document("a.html", f"<html><head>{meta}</head><body>{text}</body>".encode(encoding)) == text
        )
    if not label.startswith("utf-16"):
        assert html_to_document(f"<body>{text}".encode(encoding), label).text == text


def test_marks_and_headers_come_before_the_label_of_a_page() -> None:
    page = '<meta charset="iso-8859-1"><body>Grüße'
    assert html_to_document(page.encode("utf-8-sig"), "koi8-r").text == "Grüße"
    assert html_to_document(page.encode("utf-8"), "utf-8").text == "Grüße"
    assert html_to_document(b"\xff\xfe" + page.encode("utf-16-le"), None).text == "Grüße"
    assert html_to_document(page.encode("utf-16-le"), "utf-16").text == "Grüße"
    assert html_to_document(("<!-- <meta charset=koi8-r> -->" + page).encode("cp1252"), None).text == "Grüße"


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("<div>" * 450 + "deep", "nested too deeply"),
        ("<div>" * 100_000 + "deep", "nested too deeply"),
        ("<b>a</b>" * 200_000, "more than 300,000 tags"),
    ],
)
def test_a_page_beyond_reason_is_refused(page: str, reason: str) -> None:
    with pytest.raises(UnsupportedContent, match=reason):
        read(page)

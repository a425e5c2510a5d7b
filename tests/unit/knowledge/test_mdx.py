"""MDX is indexed as its reader sees it: no code, and all of the text, wherever it stands."""

import re

import pytest

from knowledge.documents import read_document
from knowledge.documents.javascript import Javascript


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        # imports and exports
        ("With this page you\nimport data from CSV files,\nclean it up.",) * 2,
        ("import duties are high.\n\nexport restrictions apply, they say.",) * 2,
        ("Pull\nexport const x = 1\nslowly.",) * 2,
        ("import A from 'a'\nimport {\n  B,\n} from \"b\"; // c\nPull.", "Pull."),
        ("import 'a'\n\nexport * from './b'\nexport { C } from 'c'\n\nPull.", "Pull."),
        ("# Levers\nimport A from 'a'\n\nPull.", "# Levers\n\nPull."),
        ('export const sad = ":(";\n\nPull.', "Pull."),
        ("export const re = /[(]/;\n\nPull.", "Pull."),
        ("export const t = `{ ${a + `}`} (`\n\nPull.", "Pull."),
        ("export const x = { // )\n\n  a: '}', /* ( */\n\n}\n\nPull.", "Pull."),
        ("export function F({ a }) {\n  return <b>{a}</b>\n}\n\nPull.", "Pull."),
        ("export type T = { a: string }\n\nexport default ({ b }) => <A>{b}</A>\n\nPull.", "Pull."),
        ('export const meta = {\n  lead: "How to pull levers",\n  id: "x-1",\n}\n\nPull.',
         "How to pull levers\nPull."),
        ("export const broken = (\n\nPull.",) * 2,
        # expressions
        ("a {b} {c.d} {f('x')} e{' '}f", "a    e f"),
        ("a {/* not } seen */} b {`seen`} {'too'} {\"it's\"}", "a  b seen too it's"),
        ("{/*\n\nnot seen\n\n*/}\n\nPull.", "Pull."),
        ("{items.map(i => (\n  <li key={i}>\n    Pull <b>all</b> of it\n  </li>\n))}", "Pull all of it\n"),
        ("{x ? 'Pull it slowly' : \"no\"} {re.test(/[}]/) && `}`} end", "Pull it slowly   end"),
        ("A brace { that never closes\n\nPull } it.",) * 2,
        (r"Escaped \{braces\} and \<T>", "Escaped {braces} and <T>"),
        ("&lcub;a&rcub; &nbsp;&#123;", "{a} \xa0{"),
        # tags
        ('<A href="/a?b=1&c=2" title="Pull &amp; push" d={<B/>}>slowly</A>', "Pull & push slowly"),
        ("<A>\n\nPull **slowly**\n\n</A>", "Pull **slowly**\n"),
        ("<A b={`}`} c={() => { run('>') }} d={/[>}]/}>Pull</A>", "Pull"),
        ("<>Pull</> <br/> it <br> <A.B {...c} /> slowly <x:y />", "Pull  it   slowly "),
        ("<div class=red title='Red lever'>Pull</div>", "Red lever Pull"),
        ("List<String> and <https://example.org/> and 1 < 2 > 0 and a <T> b",) * 2,
        ("`<A>{b}` and\n\n```jsx\nimport A from 'a'\n\n\n<A>{b}</A>\n```",) * 2,
        ("    <A>\n      Pull\n    </A>", "    \n      Pull\n    "),
        ("<!-- an old comment -->Pull", "Pull"),
        # attributes
        ('<Card title="Red" description="Stops all doors" className="a b c d" href="/a b c d" />',
         "Red Stops all doors "),
        ("<Cards cards={[{title: 'Red', text: 'Stops all doors', id: 'a b c'}, {title: 'Green'}]} />",
         "Red Stops all doors\nGreen\n"),
        ('<T content={[{ name: "lever", type: "string", default: "red" }]} />', "lever string red "),
        ("<A b='Pull it &amp; wait' c={\"It\\u2019s the \\\"red\\\" one\"} e={`Doors: ${n} of them all`} />",
         "Pull it & wait It\u2019s the \"red\" one Doors:  of them all "),
        ("<A b={<p>Pull <i>it</i></p>} onClick={() => say('one two three')} style={{font: 'a b c d'}} />",
         "Pull it\n"),
        ("<A 说明='打开配置文件' kind='none' />", "打开配置文件 "),
    ],
)  # fmt: skip
def test_mdx_is_what_its_reader_sees(source: str, shown: str) -> None:
    text = read_document("a.mdx", source.encode())
    assert re.sub(r" *(\n| ) *", r"\1", text).strip() == re.sub(r" *(\n| ) *", r"\1", shown).strip()


def test_a_tag_of_any_length_is_code() -> None:
    rows = ",\n\n".join(f"{{ name: 'lever{n}', description: 'Opens the door {n}.' }}" for n in range(1_000))
    text = read_document("a.mdx", f"<Table\n  content={{[{rows}]}}\n/>\n\nPull.".encode())
    assert text.splitlines()[:2] == ["lever0 Opens the door 0.", "lever1 Opens the door 1."]
    assert text.endswith("lever999 Opens the door 999.\n\nPull.")
    assert "{" not in text


@pytest.mark.parametrize(
    "hostile",
    [
        "{",
        "<",
        "`",
        "<a ",
        "{`",
        "{'",
        "{/*",
        "<A b={",
        "{#a} ",
        "{^a} ",
        "</a",
        "export const a = (\n\n",
        "<a '",
        "<!--",
    ],
)
def test_what_never_ends_is_not_read_again_and_again(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser is given a multiple of the text's length, whatever the text."""
    given = [0]
    parse = Javascript.parse

    def counting(self: Javascript, source: bytes) -> object:
        given[0] += len(source)
        return parse(self, source)

    monkeypatch.setattr(Javascript, "parse", counting)
    source = hostile * (20_000 // len(hostile))
    read_document("a.mdx", source.encode())
    assert given[0] <= 12 * len(source) + 150_000

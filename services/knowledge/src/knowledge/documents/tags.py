"""HTML in Markdown: its tags aren't seen, but some of them show or separate something."""

import html
import re

_BLOCKS = frozenset(
    (
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "br",
            "caption",
            "center",
            "dd",
            "details",
            "div",
            "dl",
        ),
        *("dt", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li"),
        *("main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th"),
        *("thead", "tr", "ul"),
    )
)
_INLINE = (
    *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "col", "colgroup", "del", "dfn", "em", "font"),
    *("i", "img", "ins", "kbd", "mark", "nobr", "picture", "q", "s", "samp", "small", "source", "span"),
    *("strike", "strong", "sub", "sup", "tt", "u", "var", "video", "wbr"),
)
_UNSEEN = ("script", "style")
_VOID = frozenset(("br", "col", "hr", "img", "source", "wbr", "p", "li", "td", "th", "tr", "dd", "dt"))
"""Those that need no end tag."""

TAG = (
    rf"(?P<html><(?P<end>/?)(?P<name>(?i:{'|'.join((*sorted(_BLOCKS), *_INLINE, *_UNSEEN))}))"
    r"(?>\s+[^\s\"'<>/=]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?)*+\s*/?>)"
)
"""A tag of HTML. Others, such as ``<T>`` or ``<name>``, are words that somebody forgot to escape."""

_CLOSED = re.compile(r"</([A-Za-z][A-Za-z0-9]*)")
_ALT = re.compile(r"\salt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_ORDINAL = re.compile(r"(?:st|nd|rd|th|tm|®|™)\b", re.IGNORECASE)


class Tags:
    """The tags of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._closed = {name.lower() for name in _CLOSED.findall(text)} if "</" in text else set[str]()

    def shown(self, tag: re.Match[str]) -> tuple[str, int]:
        """What a reader sees of a match of :data:`TAG`, and where it ends. What nothing closes is no tag."""
        text, start, end, name = self._text, tag.start(), tag.end(), tag["name"].lower()
        gap = " " if name in _BLOCKS and self._is_between_words(start, end) else ""
        if tag["end"]:
            return gap, end
        if name not in self._closed and name not in _VOID:
            return text[start:end], end
        if name in _UNSEEN:
            return "", self._after_closing(name, end)
        if name == "img":
            alt = _ALT.search(tag[0])
            return html.unescape(alt[1] or alt[2] or "") if alt else "", end
        if name == "sup" and text[start - 1 : start].isalnum() and not _ORDINAL.match(text, end):
            return "^", end  # 2<sup>31</sup> isn't 231
        return gap, end

    def _is_between_words(self, start: int, end: int) -> bool:
        text = self._text
        return start > 0 and not text[start - 1].isspace() and not text[end : end + 1].isspace()

    def _after_closing(self, name: str, end: int) -> int:
        """Behind the end tag of ``name``. It is looked for in vain once."""
        closing = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(self._text, end)
        if closing is None:
            self._closed.discard(name)
            return end
        return closing.end()

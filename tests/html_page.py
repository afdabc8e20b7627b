"""Parser of HTML pages for tests."""

from __future__ import annotations

import html.parser


class Page(html.parser.HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        """Reads the page."""
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts, self.text, self.title = [], [], [], "", ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "script":
            self.scripts.append("")
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            self.scripts[-1] += data
        elif inside == "title":
            self.title += data
        elif inside != "style":
            self.text += data

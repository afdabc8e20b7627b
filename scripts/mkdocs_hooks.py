"""Hooks of mkdocs: the site also has the files outside docs/ that its pages link to, and those that these link to.

Links are written relative to the file, as GitHub resolves them. On the site, what is in docs/ lies at the root, and so
does what is at the root of the repository; the README's place is that of the index.
"""

from __future__ import annotations

import pathlib
import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(?=(?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the linked files, pages and others."""
    pages = [file for file in files if file.src_uri.endswith(".md")]
    while pages:
        page = pages.pop()
        for link in LINK.findall(page.content_string):
            target = _target(page, link)
            if target is None or files.get_file_from_path(_site_path(target)):
                continue
            file = File(target, str(ROOT), config.site_dir, config.use_directory_urls)
            files.append(file)
            if target.endswith(".md"):
                pages.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Rewrite the links to files of the repository for their places on the site."""

    def rewritten(match: re.Match[str]) -> str:
        target = _target(page.file, match[1])
        return (
            match[1] if target is None else posixpath.relpath(_site_path(target), posixpath.dirname(page.file.src_uri))
        )

    return LINK.sub(rewritten, markdown)


def _target(page: File, link: str) -> str | None:
    """Return the path in the repository of a file that a page links to; None if there is no such file."""
    target = pathlib.Path(posixpath.normpath((pathlib.Path(page.abs_src_path).parent / link).as_posix()))
    return target.relative_to(ROOT).as_posix() if target.is_relative_to(ROOT) and target.is_file() else None


def _site_path(target: str) -> str:
    """Return where a file of the repository lies on the site."""
    return "index.md" if target == "README.md" else target.removeprefix("docs/")

"""Links of pages: the file is in the tree, the heading is in the file, and the text does not name another file."""

import posixpath
import re
from collections.abc import Iterator

from lint.report import Finding, Report
from lint.tree import Tree

_LINK = re.compile(r"\[([^\]]*)\]\(<?([^)\s>]+)>?(?:\s+[\"'(][^\n]*?)?\)")
_OTHERS = re.compile(r"^(\[[^\]]+\]):\s*(\S+)|<(a)\s[^>]*?href=[\"']([^\"']+)", re.MULTILINE)
"""Definitions of reference links, and links in HTML."""
_FILE = re.compile(r"[\w/]+\.py")
_ELSEWHERE = re.compile(r"[a-z]+:")


def resolve(tree: Tree) -> Report:
    found = [(page, *link) for page, text in tree.pages.items() for link in _links(text)]
    findings = (
        Finding(page, line, message)
        for page, line, shown, target in found
        for message in _complaints(tree, page, shown, target)
    )
    return Report(f"{len(found)} links in {len(tree.pages)} pages", tuple(findings))


def headings(text: str) -> frozenset[str]:
    """The anchors that GitHub makes of a page's headings: lower case, no punctuation, hyphens for blanks."""
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found)


def _links(text: str) -> Iterator[tuple[int, str, str]]:
    found = [(match, match[1], match[2]) for match in _LINK.finditer(text)]
    found += [(match, "", match[2] or match[4]) for match in _OTHERS.finditer(text)]
    for match, shown, target in found:
        if not _ELSEWHERE.match(target):
            yield text.count("\n", 0, match.start()) + 1, shown, target


def _complaints(tree: Tree, page: str, shown: str, target: str) -> Iterator[str]:
    path, _, anchor = target.partition("#")
    linked = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if linked not in tree.paths:
        yield f"{target}: no such file. Correct the link."
    elif anchor and anchor not in headings(tree.files.get(linked, "")):
        yield f"{target}: no such heading. Correct the link."
    if _FILE.fullmatch(name := shown.strip("`")) and not f"/{linked}".endswith(f"/{name}"):
        yield f"the link's text says {name}, but it leads to {linked}. Name the file that it leads to."

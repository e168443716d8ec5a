"""The texts of a working tree, and the views of it that rules need. Only `read` touches a disk."""

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

PRODUCT = ("gitops", "webhooks")
"""The packages that are shipped: the rules about sizes and names are for them."""

_TEXT = (".md", ".py", ".yaml", ".toml", ".txt")
_TEXT_NAMES = ("Dockerfile", "Makefile")
_NOT_OURS = ("build", "__pycache__")


@dataclass(frozen=True)
class Module:
    """A Python file."""

    path: str
    text: str

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the syntax tree."""
        return tuple(ast.walk(self.syntax))

    @property
    def dotted(self) -> str:
        """`gitops.core.health.pods`; a package has the name of its directory."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_package(self) -> bool:
        return self.path.endswith("/__init__.py")

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in self.nodes if isinstance(node, ast.ClassDef))


@dataclass(frozen=True)
class Tree:
    """`files` maps each path, relative to the root and with slashes, to its text; "" for a file that is no text."""

    files: Mapping[str, str]

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """The modules of the product and of lint/ itself, ordered by path."""
        return tuple(
            Module(path, text)
            for path, text in sorted(self.files.items())
            if path.endswith(".py") and path.partition("/")[0] in (*PRODUCT, "lint")
        )

    @cached_property
    def sources(self) -> tuple[Module, ...]:
        """Every module of the repository, tests and benchmarks too, ordered by path."""
        return tuple(Module(path, text) for path, text in sorted(self.files.items()) if path.endswith(".py"))

    @cached_property
    def product(self) -> tuple[Module, ...]:
        return tuple(module for module in self.modules if module.path.partition("/")[0] in PRODUCT)

    @cached_property
    def pages(self) -> Mapping[str, str]:
        """The Markdown pages at the top, below docs/ and beside code."""
        return {path: text for path, text in sorted(self.files.items()) if path.endswith(".md")}

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every file and every directory."""
        parents = {str(parent) for path in self.files for parent in PurePosixPath(path).parents}
        return frozenset(parents | self.files.keys())


def read(root: Path) -> Tree:
    """Every file below `root`, without hidden directories and what tools have built.

    Raises:
        OSError, UnicodeDecodeError: a file cannot be read.

    """
    return Tree({str(path.relative_to(root).as_posix()): _text(path) for path in _walk(root)})


def _walk(root: Path) -> Iterator[Path]:
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if not _is_foreign(name)]
        yield from (Path(directory) / name for name in names)


def _is_foreign(name: str) -> bool:
    return name.startswith(".") or name in _NOT_OURS or name.endswith(".egg-info")


def _text(path: Path) -> str:
    return path.read_text() if path.suffix in _TEXT or path.name in _TEXT_NAMES else ""

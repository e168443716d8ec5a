"""`python -m lint`: every rule over the working tree. Ends with 1 if a rule is broken."""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lint import architecture, class_names, code_names, docstrings, function_names, links, sizes
from lint.report import Finding, Report
from lint.tree import Tree, read

RULES: Mapping[str, Callable[[Tree], Report]] = {
    "modules per package": sizes.modules_per_package,
    "lines per module": sizes.lines_per_module,
    "class names stand once": class_names.unique,
    "words of class names": class_names.in_vocabulary,
    "English words are in use": class_names.english_in_use,
    "private functions are verbs": function_names.private_verbs,
    "packages have a docstring": docstrings.packages,
    "first words of docstrings": docstrings.first_words,
    "rows of architecture.md": architecture.packages_have_a_row,
    "webhooks know rules and ports": architecture.webhooks_know_little,
    "links of pages": links.resolve,
    "names of code in pages": code_names.in_pages,
    "names of code in modules": code_names.in_modules,
}


def main() -> int:
    lines, is_broken = check(read(Path.cwd()))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(is_broken)


def check(tree: Tree) -> tuple[list[str], bool]:
    """The lines to print, findings before the rule that they break, and whether a rule is broken."""
    if unreadable := list(_unreadable(tree)):
        return [*map(str, unreadable), f"BROKEN files parse: {len(unreadable)} do not, so no rule was checked"], True
    lines, is_broken = [], False
    for name, rule in RULES.items():
        report = rule(tree)
        is_broken = is_broken or bool(report.findings)
        lines += [*map(str, report.findings), f"{'BROKEN' if report.findings else 'ok':<7}{name}: {report.counted}"]
    return lines, is_broken


def _unreadable(tree: Tree) -> Iterator[Finding]:
    for module in tree.modules:
        try:
            ast.parse(module.text)
        except SyntaxError as error:
            yield Finding(module.path, error.lineno or 1, f"{error.msg}. Correct the syntax.")


if __name__ == "__main__":
    sys.exit(main())

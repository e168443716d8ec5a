"""`python -m lint`: every rule over the working tree. Ends with 1 if a rule is broken."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from lint import class_names, code_names, docstrings, function_names, links, sizes
from lint.report import Report
from lint.tree import Tree, read

RULES: Mapping[str, Callable[[Tree], Report]] = {
    "modules per package": sizes.modules_per_package,
    "lines per module": sizes.lines_per_module,
    "class names stand once": class_names.unique,
    "words of class names": class_names.in_vocabulary,
    "private functions are verbs": function_names.private_verbs,
    "packages have a docstring": docstrings.packages,
    "first words of docstrings": docstrings.first_words,
    "links of pages": links.resolve,
    "names of code in pages": code_names.in_pages,
    "names of code in modules": code_names.in_modules,
}

REPORTED = frozenset(RULES) - {
    "class names stand once",
    "links of pages",
    "modules per package",
    "names of code in pages",
    "names of code in modules",
}
"""Rules that do not hold yet: only the number of their findings is shown."""


def main() -> int:
    tree = read(Path.cwd())
    broken = 0
    for name, rule in RULES.items():
        report = rule(tree)
        if name in REPORTED:
            sys.stdout.write(f"       {name}: {report.counted}; {len(report.findings)} findings\n")
        else:
            broken += bool(report.findings)
            sys.stdout.write("".join(f"{finding}\n" for finding in report.findings))
            sys.stdout.write(f"{'BROKEN' if report.findings else 'ok':<7}{name}: {report.counted}\n")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())

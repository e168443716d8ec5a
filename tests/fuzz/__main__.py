"""`make fuzz`: runs the targets under a coverage-guided fuzzer, one after the other.

    python -m tests.fuzz [SECONDS_FOR_EACH] [TARGET ...]

Needs atheris (requirements-fuzz.txt). An input that shows a defect is kept as `build/fuzz/<target>/crash-<hash>`: fix
the defect and add the input to FOUND in test_fuzz.py.
"""

import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gitops", "webhooks"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.test_fuzz import TOKENS

_DIRECTORY = Path("build/fuzz")
_EXAMPLE = ("base", "environments")
"""Directories with valid input, the start of the corpus."""
_LONGEST_INPUT = 4096


def fuzz(target: str, seconds: int) -> None:
    """Fuzz one target. Does not return: the fuzzer ends the process."""
    directory = _DIRECTORY / target
    corpus = directory / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(each for root in _EXAMPLE for each in sorted(Path(root).rglob("*.yaml"))):
        (corpus / f"example-{number}").write_bytes(file.read_bytes())
    dictionary = directory / "dictionary"
    dictionary.write_text("".join(f"{_quote(token)}\n" for token in TOKENS))
    flags = [f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}", f"-dict={dictionary}", "-timeout=20"]
    atheris.Setup([sys.argv[0], *flags, f"-artifact_prefix={directory}/", str(corpus)], TARGETS[target])
    atheris.Fuzz()


def _quote(token: str) -> str:
    """Quote a token for a dictionary of libFuzzer."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in token.encode(errors="replace")) + '"'


def _fuzz_each(seconds: str, targets: list[str]) -> int:
    """Fuzz each target in its own process. Returns the number of targets that showed a defect."""
    failed = 0
    for target in targets:
        print(f"== {target}", flush=True)  # noqa: T201 - a command of the source tree
        command = [sys.executable, "-m", "tests.fuzz", seconds, target, "--alone"]
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    arguments = [each for each in sys.argv[1:] if each != "--alone"]
    asked_seconds, asked_targets = (arguments[0] if arguments else "60"), arguments[1:] or [*TARGETS]
    if "--alone" in sys.argv:
        fuzz(asked_targets[0], int(asked_seconds))
    sys.exit(_fuzz_each(asked_seconds, asked_targets) and 1)

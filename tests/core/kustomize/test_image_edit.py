"""Edits of a person's kustomization: the two scalars change, and nothing else does."""

import difflib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize.image_edit import images, set_image

FILE = "environments/dev/kustomization.yaml"
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
APP = "harbor.tuling.internal/tuling/print-api"
IMAGE = Image(APP, "1.5.0", DIGEST)


def test_image_edit_replaces_scalars_between_their_marks() -> None:
    text = f"""\
# who changes this: the controller
resources: [../../base]   # all of it
images:
- name: {APP}   # {{"$imagepolicy": "flux-system:app"}}
  newTag: '1.4.2' # quoted by somebody
  digest:   {OTHER}

namespace:   dev
"""
    expected = text.replace("1.4.2", "1.5.0").replace(OTHER, DIGEST)
    assert set_image(text.encode(), IMAGE, FILE).decode() == expected


def test_image_edit_of_the_same_image_changes_no_byte() -> None:
    text = f"images: [{{name: {APP}, newTag: 1.5.0, digest: {DIGEST}}}]".encode()
    assert set_image(text, IMAGE, FILE) is text


CASES = {
    "digest is missing, block": (
        f"images:\n  - name: {APP}\n    newTag: 1.4.2  # why\n  - name: x\n    newTag: a\n",
        f'images:\n  - name: {APP}\n    newTag: 1.5.0  # why\n    digest: "{DIGEST}"\n  - name: x\n    newTag: a\n',
    ),
    "digest is missing at the end of a file without a newline": (
        f"images:\n- name: {APP}\n  newTag: 1.4.2",
        f'images:\n- name: {APP}\n  newTag: 1.5.0\n  digest: "{DIGEST}"',
    ),
    "tag is missing before a digest": (
        f"images:\n- name: {APP}\n  digest: {OTHER}\n",
        f'images:\n- name: {APP}\n  newTag: "1.5.0"\n  digest: {DIGEST}\n',
    ),
    "both are missing, flow": (
        f"images: [{{name: {APP}}}]\n",
        f'images: [{{name: {APP}, newTag: "1.5.0", digest: "{DIGEST}"}}]\n',
    ),
    "an entry with a new name": (
        f"images:\n- name: app\n  newName: {APP}\n",
        f'images:\n- name: app\n  newName: {APP}\n  newTag: "1.5.0"\n  digest: "{DIGEST}"\n',
    ),
    "an entry is missing": (
        "images:\n  -   name: x\n      newTag: a # last\n\n# about the namespace\nnamespace: dev\n",
        (
            f'images:\n  -   name: x\n      newTag: a # last\n  -   name: {APP}\n      newTag: "1.5.0"\n'
            f'      digest: "{DIGEST}"\n\n# about the namespace\nnamespace: dev\n'
        ),
    ),
    "an entry is missing, flow": (
        "images: [{name: x, newTag: a}]\n",
        f'images: [{{name: x, newTag: a}}, {{name: "{APP}", newTag: "1.5.0", digest: "{DIGEST}"}}]\n',
    ),
    "the section is missing": (
        "resources:\n- ../../base",
        f'resources:\n- ../../base\nimages:\n- name: {APP}\n  newTag: "1.5.0"\n  digest: "{DIGEST}"\n',
    ),
    "the section is empty": (
        "images: []\nnamespace: dev\n",
        f'images:\n- name: {APP}\n  newTag: "1.5.0"\n  digest: "{DIGEST}"\nnamespace: dev\n',
    ),
    "the section is null": (
        "images:\nnamespace: dev\n",
        f'images:\n- name: {APP}\n  newTag: "1.5.0"\n  digest: "{DIGEST}"\nnamespace: dev\n',
    ),
    "the file is JSON": (
        '{"resources": ["../../base"]}\n',
        f'{{"resources": ["../../base"], images: [{{name: "{APP}", newTag: "1.5.0", digest: "{DIGEST}"}}]}}\n',
    ),
    "the tag is empty": (
        f"images:\n- name: {APP}\n  newTag:   # to be filled\n  digest: {OTHER}\n",
        f'images:\n- name: {APP}\n  newTag: "1.5.0"   # to be filled\n  digest: {DIGEST}\n',
    ),
    "CRLF": (
        f"images:\r\n- name: {APP}\r\n  newTag: 1.4.2\r\nnamespace: dev\r\n",
        f'images:\r\n- name: {APP}\r\n  newTag: 1.5.0\r\n  digest: "{DIGEST}"\r\nnamespace: dev\r\n',
    ),
    "a byte order mark and a directive": (
        f"\ufeff---\nimages:\n- name: {APP}\n  newTag: 1.4.2\n  digest: {OTHER}\n",
        f"\ufeff---\nimages:\n- name: {APP}\n  newTag: 1.5.0\n  digest: {DIGEST}\n",
    ),
    "the last of two entries": (
        f"images:\n- name: {APP}\n  newTag: old\n- name: {APP}\n  newTag: 1.4.2\n  digest: {OTHER}\n",
        f"images:\n- name: {APP}\n  newTag: old\n- name: {APP}\n  newTag: 1.5.0\n  digest: {DIGEST}\n",
    ),
    "characters outside the basic plane before the edit": (
        f"# 打印 🖨️\nimages:\n- name: {APP}\n  newTag: 1.4.2 # 标签\n  digest: {OTHER}\n",
        f"# 打印 🖨️\nimages:\n- name: {APP}\n  newTag: 1.5.0 # 标签\n  digest: {DIGEST}\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_image_edit_inserts_missing_parts_like_their_neighbours(before: str, after: str) -> None:
    assert set_image(before.encode(), IMAGE, FILE).decode() == after


@pytest.mark.parametrize(
    "tag", ["1.10", "1234567", "0012345", "0x12", "1_000", "true", "null", "553640e6", "2024-01-01"]
)
def test_image_edit_a37_quotes_a_tag_that_yaml_would_misread(tag: str) -> None:
    text = f"images:\n- name: {APP}\n  newTag: abc\n  digest: {OTHER}\n".encode()
    assert f'newTag: "{tag}"\n' in set_image(text, Image(APP, tag, DIGEST), FILE).decode()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("images:\n- &a {name: x}\n- *a\n", 2, "AnchorInOverlay"),
        ("images: []\n---\nimages: []\n", 3, "LimitExceeded"),
        ("images: []\nimages: []\n", 2, "InvalidYaml"),
        ("images:\n\t- name: x\n", 2, "InvalidYaml"),
        ("images:\n- name: x\n  name: y\n", 3, "InvalidYaml"),
        ("images:\n- x\n", 2, "InvalidImages"),
        ("images: {name: x}\n", 1, "InvalidImages"),
        ("images:\n- newTag: a\n", 2, "InvalidImages"),
        ("images:\n- name: x\n  tagSuffix: -a\n", 2, "InvalidImages"),
        (f"images:\n- name: {APP}\n  newName: mirror/app\n", 2, "ImageRenamed"),
        (f"images:\n- name: {APP}\n  newTag: |\n    1.4\n", 3, "UnusualScalar"),
        ("- a\n", 1, "NotAKustomization"),
    ],
)
def test_image_edit_refuses_an_unsafe_edit_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        set_image(text.encode(), IMAGE, FILE)
    assert (caught.value.reason, caught.value.place and caught.value.place.line) == (reason, line)
    assert str(caught.value).startswith(FILE)


@pytest.mark.parametrize("value", ["null", "~", "", "1.10", "0123456", "true", '""', '"a b"'])
def test_image_edit_a37_refuses_a_tag_that_kustomize_would_refuse_or_drop(value: str) -> None:
    with pytest.raises(Rejected) as caught:
        images(f"images:\n- name: x\n  newTag: {value}\n".encode(), FILE)
    assert str(caught.value).startswith(f"{FILE}:3: `newTag`")


def test_image_edit_reads_the_names_that_are_deployed() -> None:
    text = f"images:\n- {{name: app, newName: {APP}, newTag: '1.0'}}\n- {{name: x, digest: '{DIGEST}'}}\n"
    assert images(text.encode(), FILE) == (Image(APP, "1.0"), Image("x", None, DIGEST))


# -- any file that a person could have written

_COMMENT = st.sampled_from(["", "  # why", " # a: b", "   #"])
_TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
_DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__)
_NAMES = st.sampled_from(["nginx", "harbor.example:8443/a/b", "mirror.example/c"])
_STYLE = st.sampled_from(["'{}'", '"{}"'])


@st.composite
def _entry(draw: st.DrawFn, name: str) -> tuple[list[str], bool]:
    fields = [f"name: {name}"]
    if draw(st.booleans()):
        fields.append("newTag: " + draw(_STYLE).format(draw(_TAG)))
    if draw(st.booleans()):
        fields.append("digest: " + draw(_STYLE | st.just("{}")).format(draw(_DIGESTS)))
    return draw(st.permutations(fields)), draw(st.booleans())


@st.composite
def kustomizations(draw: st.DrawFn) -> bytes:
    names = [*draw(st.lists(_NAMES, unique=True, max_size=3)), *([APP] if draw(st.booleans()) else [])]
    indent, gap = draw(st.sampled_from(["", "  ", "    "])), draw(st.sampled_from([" ", "   "]))
    lines = ["images:" + draw(_COMMENT)] if names else []
    for name in draw(st.permutations(names)):
        fields, flow = draw(_entry(name))
        if flow:
            lines.append(f"{indent}-{gap}{{{', '.join(fields)}}}" + draw(_COMMENT))
        else:
            rest = indent + " " + " " * len(gap)
            lines += [f"{indent}-{gap}{fields[0]}" + draw(_COMMENT)]
            lines += [rest + field + draw(_COMMENT) for field in fields[1:]]
        lines += draw(st.sampled_from([[], [""], ["# 注释"], ["", f"{indent}# about the next one"]]))
    before = draw(st.sampled_from([[], ["# first"], ["---"], ["resources:", "- ../../base"]]))
    after = draw(st.sampled_from([[], ["namespace: dev"], ["", "patches: [{path: p.yaml}]", "# end"]]))
    whole = [*before, *lines, *(after if before or lines or after[:1] == ["namespace: dev"] else ["namespace: x"])]
    if not any(":" in line and not line.startswith("#") for line in whole):
        whole.append("namespace: x")
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return (newline.join(whole) + draw(st.sampled_from(["", newline]))).encode()


@given(text=kustomizations(), tag=_TAG, digest=_DIGESTS)
def test_image_edit_changes_only_the_two_scalars_in_any_file(text: bytes, tag: str, digest: str) -> None:
    wanted = Image(APP, tag, digest)
    edited = set_image(text, wanted, FILE)

    old, new = _strings(text), _strings(edited)
    entries = {entry["name"]: entry for entry in old.pop("images", None) or []}
    entries[APP] = {**entries.get(APP, {"name": APP}), "newTag": tag, "digest": digest}
    assert {entry["name"]: entry for entry in new.pop("images")} == entries
    assert new == old
    assert set_image(edited, wanted, FILE) == edited

    removed, added = _changed_lines(text, edited)
    assert all(any(key in line for key in ("newTag", "digest", "name", "images")) for line in [*removed, *added])
    assert len(removed) <= 2
    assert text.count(b"#") == edited.count(b"#")
    assert edited.count(b"\r") == (edited.count(b"\n") if b"\r" in text else 0)


def _strings(text: bytes) -> dict[str, Any]:
    return dict(yaml.load(text, yaml.BaseLoader))


def _changed_lines(before: bytes, after: bytes) -> tuple[list[str], list[str]]:
    diff = list(difflib.ndiff(before.decode().splitlines(), after.decode().splitlines()))
    return [line for line in diff if line[0] == "-"], [line for line in diff if line[0] == "+"]

"""Kustomize's words as they are shown. The words themselves are recorded; tests/adapters has the real faults."""

import pytest

from gitops.core.kustomize import build_errors

TREE = "/dev/shm/lockstep-0-1f/9-x/tree"
GENERATOR = (
    'Error: merging from generator &{0x240ebd4c7790 <nil>}: id resid.ResId{Gvk:resid.Gvk{Group:"apps", Version:"v1", '
    'Kind:"Deployment", isClusterScoped:false}, Name:"a", Namespace:"n"} does not exist'
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Error: nothing selected by ConfigMap.[noVer].[noGrp]/nope.[noNs]:data.key\n\n",
         "nothing selected by ConfigMap/nope:data.key"),
        (f"Error: '{TREE}/base' must resolve to a file in {TREE}\n", "'base' must resolve to a file in ."),
        ("# Warning: 'vars' is deprecated.\nError: var cannot be mapped\n", "var cannot be mapped"),
        ("Error: trouble configuring builtin PatchTransformer with config: `\npath: p.yaml\n`: unable to parse\n",
         "trouble configuring builtin PatchTransformer with config: (path: p.yaml): unable to parse"),
        ("Error: trouble with config: `\npatch: |\n  password: s3cr3t\n\n  `: s3cr3t\n`: no\npatch: s3cr3t\n",
         "trouble with config: (…): no …"),
        (GENERATOR,
         "merging from generator: id Deployment.apps/n/a does not exist"),
        ('Error: ID conflict: [{"kind":"Secret","metadata":{"name":"a"},"data":{"k":"s3cr3t"}} {"k":"s3cr3t"} {"s3cr3t',
         "ID conflict: [Secret/a … …"),
        ("Error: wrong node kind: node contents:\n{password: s3cr3t}\n", "wrong node kind: node contents:…"),
        ("Error: loading: literal sources [s3cr3t\ns3cr3t]: invalid literal source s3cr3t\ns3cr3t, expected key=value",
         "loading: literal sources […"),
        ("Error: yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `s3cr3t` into int\n  s3cr3t\n",
         "yaml: unmarshal errors: line 3: cannot unmarshal … into int"),
        ('Error: strconv.ParseInt: parsing "s3cr3t": invalid syntax', "strconv.ParseInt: parsing …: invalid syntax"),
        ("Error: yaml: unknown anchor 's3cr3t' referenced", "yaml: unknown anchor '…' referenced"),
        ('Error: cannot use "a\\npassword: s3cr3t"', "cannot use …"),
        ("Error: a\x1b[31mred\x1b[0m \u202eword\x07", "a red word"),
        ("panic: out of order\n\ngoroutine 1 [running]:\nmain.main()\n", "panic: out of order …"),
        ("# Warning: nothing else\n", ""),
    ],
)  # fmt: skip
def test_build_error_message(said: str, shown: str) -> None:
    assert build_errors.describe(said, TREE) == shown


def test_build_error_that_is_too_long_keeps_its_beginning_and_its_cause() -> None:
    shown = build_errors.describe(f"Error: accumulating {'resources ' * 200} no such file", TREE)
    assert len(shown) == 600
    assert shown.startswith("accumulating resources")
    assert shown.endswith("no such file")

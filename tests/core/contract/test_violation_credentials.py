"""No violation shows a credential: not a differing value, not one that does not fit a schema, not a shared one."""

from dataclasses import replace

import pytest

from gitops.core.contract.cross_environment import check_all
from tests.worlds.surveys import contract, survey_of

CANARY = "hunter2-canary"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {0}}}\ndata: {{key: {0}}}\n---\n"
CONFIG = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n"
    "data: {{DB_PASSWORD: {0}, app.yml: 'password: {0}', url: 'http://me:{0}@db/x'}}\n---\n"
)
WORKLOAD = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\n"
    "spec: {{template: {{spec: {{containers: [{{name: app, image: x, args: ['--token={0}'], "
    "env: [{{name: API_TOKEN, value: {0}}}]}}]}}}}}}\n---\n"
)
EVERYTHING = SECRET + CONFIG + WORKLOAD
STRICT = """
- {objects: [{kind: Secret, name: s}], field: /data/**, schema: {type: string, pattern: "^never$"}}
- {objects: [{kind: Secret, name: s}], field: /stringData/**, schema: {type: string, maxLength: 1}}
- {objects: [{kind: ConfigMap, name: c}], field: /data/DB_PASSWORD, schema: {enum: [a, b]}}
- {objects: [{kind: ConfigMap, name: c}], field: /data/app.yml, format: yaml, distinct: [password],
   schema: {properties: {password: {type: integer}}}}
- {objects: [{kind: Deployment, name: d}], field: /spec/template/spec/containers/app/env/**, schema: {const: 1}}
"""


@pytest.mark.parametrize("variations", ["[]", STRICT, "[{preset: standard}]"])
@pytest.mark.parametrize("reference", ["other", CANARY[::-1]])
def test_violations_show_no_credential_a41(variations: str, reference: str) -> None:
    rules = contract(variations)
    own = survey_of(EVERYTHING.format(CANARY), EVERYTHING.format(reference), rules)
    alone = [str(each) + repr(each) for each in own.violations]
    assert len(alone) > 0 or variations.startswith("[{preset")
    other = survey_of(EVERYTHING.format(CANARY), EVERYTHING.format(reference), rules, "test")
    together = check_all([own, other], rules, None)
    assert CANARY not in "\n".join(alone) + repr(together)
    assert reference == "other" or reference not in "\n".join(alone) + repr(together)


@pytest.mark.parametrize("kind", [SECRET, CONFIG, WORKLOAD])
def test_violations_of_an_extra_object_show_its_name_only_a41(kind: str) -> None:
    found = survey_of(kind.format(CANARY), CONFIG.replace("{{name: c}}", "{{name: z}}").format("x"), contract())
    assert found.violations
    assert CANARY not in "".join(str(each) + repr(each) for each in found.violations)
    assert replace(found.violations[0], field="")

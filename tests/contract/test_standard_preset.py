"""`preset: standard` with real git and real kustomize. It finds faults that public config repos contain, and allows the
differences that nearly all of them have for good reasons.
"""

from pathlib import Path

import pytest

from gitops.local.cluster import binaries
from tests.worlds.judged_repo import PIPELINE, JudgedRepo, made, overlay

DECLARED = PIPELINE.partition("variations:")[0] + "variations: [{preset: standard}]\n"
BASE = "base/kustomization.yaml"
PROD = "environments/prod/kustomization.yaml"

KINDS = """\
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: order}, spec: {minReplicas: 1,
 maxReplicas: 2, metrics: [{type: Resource}], scaleTargetRef: {kind: Deployment, name: order}}}
---
{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: worker}, spec: {minReplicaCount: 0,
 maxReplicaCount: 1, scaleTargetRef: {name: worker}, triggers: [{type: cron}]}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: order}, spec: {minAvailable: 0}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: files}, spec: {resources: {requests: {storage: 1Gi}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: store}, spec: {replicas: 1, serviceName: store,
 selector: {matchLabels: {app: store}}, template: {metadata: {labels: {app: store}}, spec: {containers: [
 {name: store, image: "redis:7", resources: {limits: {cpu: 1}}}]}},
 volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: slow, resources: {requests:
 {storage: 1Gi}}}}]}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: order}, spec: {rules: [{host: dev.example.org}],
 tls: [{hosts: [dev.example.org], secretName: tls-a}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: order}, spec: {hostnames: [a.example.org]}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: order}, spec: {commonName: a.example.org,
 dnsNames: [a.example.org], secretName: tls}}
---
{apiVersion: v1, kind: Service, metadata: {name: edge}, spec: {type: ClusterIP, ports: [{port: 80}]}}
---
{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: keys}, spec: {target: {name: keys},
 data: [{secretKey: KEY, remoteRef: {key: a}}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: plain}, stringData: {KEY: one}}
---
{apiVersion: v1, kind: Secret, metadata: {name: coded}, data: {KEY: b25l}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}, spec: {schedule: "0 1 * * *", jobTemplate: {spec:
 {template: {spec: {restartPolicy: Never, containers: [{name: job, image: "tool:1", resources: {limits: {cpu: 1}},
 env: [{name: LEVEL, value: low}]}]}}}}}}
"""

LEGITIMATE = """\
replicas: [{name: order, count: 4}, {name: store, count: 3}]
labels: [{pairs: {team: shop}}]
patches:
- target: {kind: Deployment, name: order}
  patch: |-
    - {op: add, path: /spec/template/spec/containers/0/resources, value: {limits: {memory: 2Gi}}}
    - {op: add, path: /metadata/annotations, value: {owner: shop}}
    - {op: add, path: /spec/template/spec/nodeSelector, value: {disk: ssd}}
    - {op: add, path: /spec/template/spec/tolerations, value: [{key: big, operator: Exists}]}
    - {op: add, path: /spec/template/spec/affinity, value: {podAntiAffinity: {}}}
    - {op: add, path: /spec/template/spec/priorityClassName, value: high}
    - {op: add, path: /spec/template/spec/topologySpreadConstraints, value: [{maxSkew: 1}]}
- target: {kind: HorizontalPodAutoscaler}
  patch: |-
    - {op: replace, path: /spec/minReplicas, value: 3}
    - {op: replace, path: /spec/maxReplicas, value: 9}
    - {op: replace, path: /spec/metrics, value: [{type: Pods}]}
    - {op: add, path: /spec/behavior, value: {scaleDown: {selectPolicy: Max}}}
- target: {kind: ScaledObject}
  patch: |-
    - {op: replace, path: /spec/minReplicaCount, value: 1}
    - {op: replace, path: /spec/maxReplicaCount, value: 4}
    - {op: replace, path: /spec/triggers, value: [{type: cpu}]}
- target: {kind: PodDisruptionBudget}
  patch: |-
    - {op: replace, path: /spec/minAvailable, value: 2}
- target: {kind: PersistentVolumeClaim}
  patch: |-
    - {op: replace, path: /spec/resources/requests/storage, value: 9Gi}
- target: {kind: StatefulSet}
  patch: |-
    - {op: replace, path: /spec/template/spec/containers/0/resources/limits/cpu, value: 4}
    - {op: replace, path: /spec/volumeClaimTemplates/0/spec/storageClassName, value: fast}
    - {op: replace, path: /spec/volumeClaimTemplates/0/spec/resources/requests/storage, value: 9Gi}
- target: {kind: Ingress}
  patch: |-
    - {op: replace, path: /spec/rules/0/host, value: www.example.org}
    - {op: replace, path: /spec/tls, value: [{hosts: [www.example.org], secretName: tls-b}]}
- target: {kind: HTTPRoute}
  patch: |-
    - {op: replace, path: /spec/hostnames/0, value: www.example.org}
- target: {kind: Certificate}
  patch: |-
    - {op: replace, path: /spec/commonName, value: www.example.org}
    - {op: replace, path: /spec/dnsNames, value: [www.example.org, shop.example.org]}
- target: {kind: Service, name: edge}
  patch: |-
    - {op: replace, path: /spec/type, value: NodePort}
    - {op: add, path: /spec/ports/0/nodePort, value: 30080}
- target: {kind: ExternalSecret}
  patch: |-
    - {op: replace, path: /spec/data/0/remoteRef/key, value: b}
- target: {kind: Secret, name: plain}
  patch: |-
    - {op: replace, path: /stringData/KEY, value: two}
- target: {kind: Secret, name: coded}
  patch: |-
    - {op: replace, path: /data/KEY, value: dHdv}
- target: {kind: CronJob}
  patch: |-
    - {op: replace, path: /spec/schedule, value: "0 2 * * *"}
    - {op: add, path: /spec/suspend, value: true}
    - {op: replace, path: /spec/jobTemplate/spec/template/spec/containers/0/resources/limits/cpu, value: 2}
    - {op: replace, path: /spec/jobTemplate/spec/template/spec/containers/0/env/0/value, value: high}
"""


@pytest.fixture
def repo(tmp_path: Path) -> JudgedRepo:
    found = made(tmp_path, binaries.ensure("kustomize"))
    found.write({"environments/pipeline.yaml": DECLARED})
    return found


def test_standard_preset_allows_common_differences(repo: JudgedRepo) -> None:
    repo.write({"base/kinds.yaml": KINDS, PROD: overlay("prod", more=LEGITIMATE)})
    text = (repo.root / BASE).read_text()
    repo.write({BASE: text.replace("[order]", "[order, kinds.yaml]")})
    assert repo.said("prod") == []
    [prod] = [each.now for each in repo.check().checked if each.overlay.name == "prod"]
    assert prod.free > 40, "the preset allows each of these differences"


FAULTS: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, str, str]]] = {
    "a production overlay that renders the staging namespace": (
        {},
        {PROD: overlay("prod").replace("namespace: shop-prod", "namespace: shop-test")},
        ("refused", "OutOfScope", "Deployment.apps shop-test/order is not in shop-prod"),
    ),
    "a production database host that is the one of qa": (
        {},
        {PROD: overlay("prod").replace("DB=db-of-prod", "DB=mysql.shop-test.svc")},
        ("ForeignName", "forbid", "/data/DB"),
    ),
    "production mounting secrets of qa": (
        {
            "environments/test/kustomization.yaml": overlay("test", more="patches: [{path: mount.yaml}]\n"),
            "environments/test/mount.yaml": "",
        },
        {PROD: overlay("prod", more="patches: [{path: mount.yaml}]\n"), "environments/prod/mount.yaml": ""},
        ("ForeignName", "warn", "/spec/template/spec/volumes/keys/secret/secretName"),
    ),
    "a role of dev that leaked to production": (
        {},
        {PROD: overlay("prod", more="patches: [{path: role.yaml}]\n"), "environments/prod/role.yaml": ""},
        ("ForeignName", "warn", "/spec/template/metadata/annotations/iam.example.org~1role"),
    ),
    "a role that may do more in production": (
        {"base/role.yaml": "", BASE: "resources: [order, role.yaml]\nconfigMapGenerator: [{name: settings}]\n"},
        {PROD: overlay("prod", more="patches: [{path: more.yaml, target: {kind: Role}}]\n"),
         "environments/prod/more.yaml": ""},
        ("Preset", "forbid", "/rules/0/verbs/0"),
    ),
}  # fmt: skip
MOUNT = """\
{apiVersion: apps/v1, kind: Deployment, metadata: {name: order}, spec: {template: {spec: {volumes: [
 {name: keys, secret: {secretName: test-keys}}]}}}}
"""
ROLE = """\
{apiVersion: apps/v1, kind: Deployment, metadata: {name: order}, spec: {template: {metadata: {annotations:
 {iam.example.org/role: "arn:aws:iam::1:role/app-dev"}}}}}
"""
CONTENT = {
    "mount.yaml": MOUNT,
    "prod/role.yaml": ROLE,
    "base/role.yaml": (
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, "
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}\n"
    ),
    "more.yaml": "- {op: add, path: /rules/0/verbs/-, value: delete}\n",
}


def _filled(changed: dict[str, str]) -> dict[str, str]:
    contents = {path: next((text for end, text in CONTENT.items() if path.endswith(end)), "") for path in changed}
    return {path: text or contents[path] for path, text in changed.items()}


@pytest.mark.parametrize("fault", FAULTS)
def test_standard_preset_finds_a_fault_of_public_repos(repo: JudgedRepo, fault: str) -> None:
    before, wrong, expected = FAULTS[fault]
    repo.write(_filled(before))
    assert not [each for each in repo.violations("prod") if each.forbids]
    repo.write(_filled(wrong))
    [prod] = [each.now for each in repo.check().checked if each.overlay.name == "prod"]
    if expected[0] == "refused":
        assert prod.refusal is not None
        assert prod.refusal.reason == expected[1]
        assert expected[2] in str(prod.refusal)
    else:
        assert expected in [(str(each.kind), str(each.severity), each.field) for each in prod.violations]

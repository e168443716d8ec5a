"""`preset: standard` on differences of public config repos: faults are found, usual differences are allowed."""

import pytest

from tests.worlds.surveys import check_alone, check_together, config, contract, deployment

STANDARD = contract("[{preset: standard}]")
INGRESS = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}, spec: %s}\n---\n"
SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: %s}\n---\n"
CRON = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: %s}\n---\n"
SCALER = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: %s}\n---\n"
ROLE = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}, rules: [{verbs: %s}]}\n---\n"
POD = "{template: {spec: %s}}"


class TestFree:
    @pytest.mark.parametrize(
        ("base", "own"),
        [
            (deployment("{replicas: 1}"), deployment("{replicas: 3}")),
            (SCALER % "{maxReplicas: 2, metrics: [{a: 1}]}", SCALER % "{maxReplicas: 6, metrics: [{a: 2}]}"),
            (
                deployment(container="{resources: {limits: {cpu: 1}}}"),
                deployment(container="{resources: {limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 1}}}"),
            ),
            (config(LEVEL="debug"), config(LEVEL="info", MORE="x")),
            (
                deployment(container="{env: [{name: A, value: x}]}"),
                deployment(container="{env: [{name: A, value: y}]}"),
            ),
            (INGRESS % "{rules: [{host: a.example}]}", INGRESS % "{rules: [{host: b.example}], tls: [{hosts: [b]}]}"),
            (SERVICE % "{type: ClusterIP}", SERVICE % "{type: NodePort}"),
            (CRON % "{schedule: '0 1 * * *'}", CRON % "{schedule: '0 2 * * *', suspend: true}"),
            (
                deployment(),
                deployment(POD % "{nodeSelector: {pool: big}, containers: [{name: app, image: 'nginx:1.27'}]}"),
            ),
            (config("app-dev", A="x"), config("app-prod", A="x")),
            (
                deployment("{selector: {matchLabels: {app: order-dev}}}"),
                deployment("{selector: {matchLabels: {app: order-prod}}}"),
            ),
        ],
    )
    def test_preset_allows_usual_differences(self, base: str, own: str) -> None:
        assert check_alone(own, base, STANDARD) == []


class TestWarnings:
    @pytest.mark.parametrize(
        ("base", "own"),
        [
            (deployment(), deployment(container="{env: [{name: DEBUG, value: x}]}")),
            (deployment(), deployment(container="{livenessProbe: {periodSeconds: 5}}")),
            (deployment(), deployment(container="{args: [--fast]}")),
            (config(), config() + config("only-here")),
            (
                deployment(),
                deployment(POD % "{containers: [{name: app, image: 'nginx:1.27'}, {name: log, image: 'fluent:1'}]}"),
            ),
            (deployment(container="{image: nginx}"), deployment(container="{image: nginx}")),
            (deployment(container="{image: 'nginx:latest'}"), deployment(container="{image: 'nginx:latest'}")),
        ],
    )
    def test_preset_warns_of_unusual_differences(self, base: str, own: str) -> None:
        found = check_alone(own, base, STANDARD)
        assert found
        assert {severity for _, severity, _ in found} == {"warn"}


class TestForbidden:
    @pytest.mark.parametrize(
        ("base", "own"),
        [
            (ROLE % "[get]", ROLE % "[get, delete]"),
            (config(), config() + ROLE % "[get]"),
            (deployment(), deployment(container="{securityContext: {privileged: true}}")),
            (deployment(), deployment(POD % "{hostNetwork: true, containers: [{name: app, image: 'nginx:1.27'}]}")),
            (deployment(), deployment(POD % "{serviceAccountName: a, containers: [{name: app, image: 'nginx:1.27'}]}")),
            (deployment("{paused: false}"), deployment("{paused: true}")),
            (SERVICE % "{selector: {a: b}}", SERVICE % "{selector: {a: c}}"),
        ],
    )
    def test_preset_forbids_differences_in_guards_and_in_the_rest_of_a_workload(self, base: str, own: str) -> None:
        assert "forbid" in {severity for _, severity, _ in check_alone(own, base, STANDARD)}

    def test_preset_forbids_a_privileged_sidecar(self) -> None:
        extra = "{name: log, image: 'x:1', securityContext: {privileged: true}}"
        own = deployment(POD % f"{{containers: [{{name: app, image: 'nginx:1.27'}}, {extra}]}}")
        field = "/spec/template/spec/containers/log/securityContext/privileged"
        assert ("Preset", "forbid", field) in check_alone(own, deployment(), STANDARD)

    def test_preset_comes_after_declared_variations(self) -> None:
        rules = contract("[{field: /rules, kinds: [Role]}, {preset: standard}]")
        assert check_alone(ROLE % "[get, delete]", ROLE % "[get]", rules) == []


class TestFaultsOfPublicRepos:
    """As they were found in real config repos, made small."""

    def test_fault_of_a_production_overlay_that_renders_the_staging_namespace(self) -> None:
        own = config(A="x").replace("name: settings", "name: settings\n  namespace: shop-test")
        found = check_together({"test": config(A="x"), "prod": own}, config(A="x"), STANDARD)
        assert ("ForeignName", "forbid", "/metadata/namespace") in found["prod"]

    def test_fault_of_a_production_database_host_that_is_the_one_of_qa(self) -> None:
        owns = {"test": config(DB_HOST="db.shop-test.svc"), "prod": config(DB_HOST="db.shop-test.svc")}
        found = check_together(owns, config(DB_HOST="localhost"), STANDARD)
        assert found == {"prod": [("ForeignName", "forbid", "/data/DB_HOST")]}

    def test_fault_of_a_shared_database_host_without_a_telling_name(self) -> None:
        owns = {"test": config(DB_HOST="10.0.0.7"), "prod": config(DB_HOST="10.0.0.7")}
        rules = contract("[{field: /data/DB_HOST, distinct: true}, {preset: standard}]")
        assert check_together(owns, config(DB_HOST="localhost"), rules) == {
            "test": [("NotDistinct", "forbid", "/data/DB_HOST")]
        }

    def test_fault_of_production_mounting_secrets_of_qa(self) -> None:
        def mounting(secret: str) -> str:
            return deployment(POD % f"{{volumes: [{{name: s, secret: {{secretName: {secret}}}}}]}}")

        owns = {"dev": mounting("dev-db"), "test": mounting("test-db"), "prod": mounting("test-db")}
        found = check_together(owns, mounting("db"), STANDARD)
        assert found == {"prod": [("ForeignName", "warn", "/spec/template/spec/volumes/s/secret/secretName")]}

    def test_fault_of_a_role_of_dev_that_leaked_to_production(self) -> None:
        def account(role: str) -> str:
            annotations = f"{{eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/{role}'}}"
            return f"{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: a, annotations: {annotations}}}}}\n"

        owns = {"dev": account("app-dev"), "test": account("app-test"), "prod": account("app-dev")}
        found = check_together(owns, account("app-dev"), STANDARD)
        assert found == {"prod": [("ForeignName", "warn", "/metadata/annotations/eks.amazonaws.com~1role-arn")]}

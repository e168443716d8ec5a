"""The example's promises for every service in every environment, checked on the output of kustomize."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.core.config_repo import pipeline
from gitops.core.images import reference as images
from tests.example.rendered import (
    ENVIRONMENTS,
    ROOT,
    SERVICES,
    Body,
    Rendered,
    build,
    container,
    kustomizations,
    matches,
    pod_labels,
    pod_spec,
    scalars,
)

SHARED = {
    "ConfigMap": 3,
    "Deployment": 8,
    "LimitRange": 1,
    "NetworkPolicy": 6,
    "PersistentVolumeClaim": 1,
    "PodDisruptionBudget": 8,
    "Service": 7,
}
PER_ENVIRONMENT = SHARED | {"Application": 1, "ResourceQuota": 1, "ScaledObject": 1}
# Made by an administrator, once per namespace: git holds no password.
FROM_OUTSIDE = {("Secret", "harbor-pull")}


class TestObjects:
    def test_base_renders_the_shared_objects(self, base: Rendered) -> None:
        assert base.count() == SHARED

    def test_environments_dev_and_test_render_the_same_kinds(self, environments: Mapping[str, Rendered]) -> None:
        assert environments["dev"].count() == PER_ENVIRONMENT
        assert environments["test"].count() == PER_ENVIRONMENT

    def test_environment_prod_has_autoscalers_in_addition(self, environments: Mapping[str, Rendered]) -> None:
        assert environments["prod"].count() == PER_ENVIRONMENT | {"HorizontalPodAutoscaler": 6}

    def test_platform_renders_cluster_objects_and_roles(self, platform: Rendered) -> None:
        expected = {"ClusterRole": 2, "Namespace": 3, "PriorityClass": 2, "RoleBinding": 6, "StorageClass": 1}
        assert platform.count() == expected

    def test_services_run_in_every_environment(self, environment: Rendered) -> None:
        assert set(environment.of("Deployment")) == set(SERVICES)

    def test_namespaces_are_only_in_platform(self, environment: Rendered, platform: Rendered) -> None:
        assert environment.of("Namespace") == {}
        assert set(platform.of("Namespace")) == {f"tuling-{name}" for name in ENVIRONMENTS}

    def test_objects_are_all_in_the_namespace_of_their_environment(self, environments: Mapping[str, Rendered]) -> None:
        for name, rendered in environments.items():
            assert {body["metadata"]["namespace"] for body in rendered.objects} == {f"tuling-{name}"}

    def test_namespaces_are_projects_of_kubesphere(self, platform: Rendered) -> None:
        for name, body in platform.of("Namespace").items():
            labels = body["metadata"]["labels"]
            assert labels["kubesphere.io/workspace"] == name
            assert labels["kubesphere.io/managed"] == "true"
            assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
            assert not {"finalizers", "ownerReferences"} & body["metadata"].keys()

    def test_components_that_are_optional_render_on_every_workload(self, kustomize: Path, tmp_path: Path) -> None:
        (tmp_path / "base").symlink_to(ROOT / "base", target_is_directory=True)
        directory = tmp_path / "base-with-all"
        directory.mkdir()
        optional = ("calico-v3", "keda", "kubesphere", "mesh")
        lines = "\n".join(f"- ../base/components/{name}" for name in optional)
        (directory / "kustomization.yaml").write_text(f"resources: [../base]\ncomponents:\n{lines}\n")
        rendered = build(kustomize, directory)
        assert len(rendered.objects) == sum(SHARED.values()) + len(optional)
        for body in rendered.of("Deployment").values():
            template = body["spec"]["template"]["metadata"]
            assert template["annotations"] == {"sidecar.istio.io/inject": "true"}

    def test_component_rancher_puts_each_namespace_into_a_project(self, kustomize: Path, tmp_path: Path) -> None:
        (tmp_path / "base").symlink_to(ROOT / "base", target_is_directory=True)
        directory = tmp_path / "platform-under-rancher"
        directory.mkdir()
        text = "resources: [../base/platform]\ncomponents: [../base/components/rancher]\n"
        (directory / "kustomization.yaml").write_text(text)
        for body in build(kustomize, directory).of("Namespace").values():
            assert body["metadata"]["annotations"]["field.cattle.io/projectId"].startswith("c-")


class TestRolloutWithoutDowntime:
    def test_rollout_removes_no_pod_before_its_replacement_is_ready(self, environment: Rendered) -> None:
        for body in environment.of("Deployment").values():
            assert body["spec"]["strategy"] == {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            }
            assert body["spec"]["progressDeadlineSeconds"] == 300

    def test_probes_use_the_management_port_and_allow_180_seconds_to_start(self, environment: Rendered) -> None:
        for body in environment.of("Deployment").values():
            app = container(body)
            probes = [app[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
            assert {probe["httpGet"]["port"] for probe in probes} == {"management"}
            assert (probes[0]["failureThreshold"], probes[0]["periodSeconds"]) == (36, 5)
            assert {"name": "management", "containerPort": 8081} in app["ports"]

    def test_pods_wait_before_they_stop_and_have_time_to_finish(self, environment: Rendered) -> None:
        for name, body in environment.of("Deployment").items():
            assert container(body)["lifecycle"] == {"preStop": {"sleep": {"seconds": 10}}}
            grace = pod_spec(body)["terminationGracePeriodSeconds"]
            assert grace == (900 if name == "print-worker" else 60)

    def test_spring_stops_within_the_grace_period(self, environment: Rendered) -> None:
        shared = yaml.safe_load(_config_map(environment, "spring-common")["data"]["application.yml"])
        assert shared["spring"]["lifecycle"]["timeout-per-shutdown-phase"] == "40s"
        worker = container(environment.of("Deployment")["print-worker"])
        assert worker["env"] == [{"name": "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", "value": "840s"}]
        assert 10 + 40 < 60
        assert 10 + 840 < 900

    def test_disruption_budget_exists_for_every_deployment(self, environment: Rendered) -> None:
        budgets = environment.of("PodDisruptionBudget")
        for name, body in environment.of("Deployment").items():
            spec = budgets[name]["spec"]
            assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
            assert matches(spec["selector"]["matchLabels"], pod_labels(body))

    def test_replicas_of_online_services_in_prod_are_at_least_two(self, environments: Mapping[str, Rendered]) -> None:
        prod = environments["prod"]
        least = {name: body["spec"]["minReplicas"] for name, body in prod.of("HorizontalPodAutoscaler").items()}
        for name, body in prod.of("Deployment").items():
            if name != "print-worker":
                assert body["spec"].get("replicas", least.get(name, 1)) >= 2

    def test_replicas_are_not_set_where_an_autoscaler_owns_them(self, environment: Rendered) -> None:
        scalers = environment.of("HorizontalPodAutoscaler") | environment.of("ScaledObject")
        targets = {body["spec"]["scaleTargetRef"]["name"] for body in scalers.values()}
        assert "print-worker" in targets
        for name, body in environment.of("Deployment").items():
            assert ("replicas" in body["spec"]) == (name not in targets)


class TestPods:
    def test_security_context_is_restricted(self, environment: Rendered) -> None:
        for body in environment.of("Deployment").values():
            spec, app = pod_spec(body), container(body)
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert app["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert spec["automountServiceAccountToken"] is False
            assert spec["enableServiceLinks"] is False

    def test_tmp_is_writable(self, environment: Rendered) -> None:
        for body in environment.of("Deployment").values():
            assert {"name": "tmp", "mountPath": "/tmp"} in container(body)["volumeMounts"]
            assert "emptyDir" in _volume(body, "tmp")

    def test_memory_is_reserved_in_full_and_cpu_is_not_limited(self, environment: Rendered) -> None:
        for body in environment.of("Deployment").values():
            resources = container(body)["resources"]
            assert resources["limits"] == {"memory": resources["requests"]["memory"]}
            assert "cpu" in resources["requests"]

    def test_topology_spread_covers_the_nodes(self, environment: Rendered) -> None:
        for body in environment.of("Deployment").values():
            [constraint] = pod_spec(body)["topologySpreadConstraints"]
            assert constraint["topologyKey"] == "kubernetes.io/hostname"
            assert matches(constraint["labelSelector"]["matchLabels"], pod_labels(body))

    def test_priority_of_printing_is_below_online_services(self, environment: Rendered, platform: Rendered) -> None:
        values = {name: body["value"] for name, body in platform.of("PriorityClass").items()}
        classes = {name: pod_spec(body)["priorityClassName"] for name, body in environment.of("Deployment").items()}
        assert classes == {name: "tl-batch" if name == "print-worker" else "tl-online" for name in SERVICES}
        assert values["tl-batch"] < values["tl-online"]
        assert platform.of("PriorityClass")["tl-batch"]["preemptionPolicy"] == "Never"

    def test_node_selector_is_the_pool_of_the_environment(self, environments: Mapping[str, Rendered]) -> None:
        for name, rendered in environments.items():
            pool = "biz" if name == "prod" else "test"
            for body in rendered.of("Deployment").values():
                assert pod_spec(body)["nodeSelector"] == {"pool": pool}

    def test_labels_that_kubesphere_groups_by_are_constant(self, environment: Rendered) -> None:
        grouped = [*environment.of("Deployment").values(), *environment.of("Service").values()]
        application = environment.of("Application")["tuling"]["spec"]
        for body in grouped:
            labels = body["metadata"]["labels"]
            assert labels["app.kubernetes.io/version"] == labels["version"] == "v1"
            assert matches(application["selector"]["matchLabels"], labels)
        assert application["addOwnerRef"] is False


class TestReferences:
    def test_references_of_pods_all_exist(self, environment: Rendered, platform: Rendered) -> None:
        for body in environment.of("Deployment").values():
            for kind, name in _list_references(pod_spec(body)):
                known = environment.has(kind, name) or platform.has(kind, name)
                assert known or (kind, name) in FROM_OUTSIDE, f"{body['metadata']['name']}: no {kind} {name}"

    def test_secrets_that_are_optional_belong_to_the_service(self, environment: Rendered) -> None:
        optional = {
            (name, volume["secret"]["secretName"])
            for name, body in environment.of("Deployment").items()
            for volume in pod_spec(body)["volumes"]
            if volume.get("secret", {}).get("optional")
        }
        assert optional == {(name, f"{name}-secrets") for name in SERVICES if name != "h5-web"}

    def test_services_select_one_deployment_and_its_ports(self, environment: Rendered) -> None:
        for name, body in environment.of("Service").items():
            selected = [d for d in environment.of("Deployment").values()
                        if matches(body["spec"]["selector"], pod_labels(d))]  # fmt: skip
            assert [d["metadata"]["name"] for d in selected] == [name]
            named = {port["name"] for port in container(selected[0])["ports"]}
            assert {port["targetPort"] for port in body["spec"]["ports"]} <= named

    def test_deployments_select_only_their_own_pods(self, environment: Rendered) -> None:
        bodies = environment.of("Deployment")
        for name, body in bodies.items():
            selector = body["spec"]["selector"]["matchLabels"]
            assert [other for other, d in bodies.items() if matches(selector, pod_labels(d))] == [name]

    def test_autoscalers_target_existing_deployments(self, environment: Rendered) -> None:
        for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            for body in environment.of(kind).values():
                assert environment.has("Deployment", body["spec"]["scaleTargetRef"]["name"])

    def test_volume_claim_has_its_storage_class(self, environment: Rendered, platform: Rendered) -> None:
        claim = environment.of("PersistentVolumeClaim")["print-files"]
        assert platform.has("StorageClass", claim["spec"]["storageClassName"])
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]

    def test_role_bindings_reference_existing_roles(self, platform: Rendered) -> None:
        bindings = [body for body in platform.objects if body["kind"] == "RoleBinding"]
        for body in bindings:
            assert platform.has(body["roleRef"]["kind"], body["roleRef"]["name"])
            assert body["metadata"]["namespace"] in platform.of("Namespace")


class TestSpring:
    def test_spring_profile_and_settings_are_those_of_the_environment(
        self, environments: Mapping[str, Rendered]
    ) -> None:
        for name, rendered in environments.items():
            settings = _config_map(rendered, "spring-settings")["data"]
            assert settings["SPRING_PROFILES_ACTIVE"] == name
            assert settings["LOGGING_STRUCTURED_FORMAT_CONSOLE"] == "ecs"
            assert "-XX:MaxRAMPercentage=70" in settings["JAVA_TOOL_OPTIONS"]
            assert set(_config_map(rendered, "spring-environment")["data"]) == {f"application-{name}.yml"}

    def test_spring_keys_are_the_same_and_addresses_differ_between_environments(
        self, environments: Mapping[str, Rendered]
    ) -> None:
        values = {
            name: yaml.safe_load(_config_map(rendered, "spring-environment")["data"][f"application-{name}.yml"])
            for name, rendered in environments.items()
        }
        assert len({frozenset(own) for own in values.values()}) == 1
        for key in ("spring.datasource.url", "spring.data.redis.host", "tuling.pictures.bucket"):
            assert len({own[key] for own in values.values()}) == len(ENVIRONMENTS)

    def test_spring_services_mount_both_files_and_the_variables(self, environment: Rendered) -> None:
        for name, body in environment.of("Deployment").items():
            if name == "h5-web":
                continue
            sources = [source["configMap"]["name"] for source in _volume(body, "config")["projected"]["sources"]]
            assert [source.rpartition("-")[0] for source in sources] == ["spring-common", "spring-environment"]
            assert container(body)["envFrom"][0]["configMapRef"]["name"].startswith("spring-settings-")


class TestFiles:
    @pytest.mark.parametrize("environment", ENVIRONMENTS)
    def test_images_all_have_a_quoted_tag_and_a_digest(self, environment: str) -> None:
        text = (ROOT / "environments" / environment / "kustomization.yaml").read_text()
        entries = yaml.safe_load(text)["images"]
        assert {entry["name"] for entry in entries} == {f"harbor.tuling.internal/tuling/{s}" for s in SERVICES}
        for entry in entries:
            service = entry["name"].rpartition("/")[2]
            assert images.is_tag(entry["newTag"])
            assert entry["digest"] == "sha256:" + sha256(f"{service}:{entry['newTag']}".encode()).hexdigest()
        document = yaml.compose(text)
        assert document is not None
        assert {node.style for node in scalars(document, "newTag")} == {'"'}

    def test_containers_all_run_by_digest(self, environment: Rendered) -> None:
        for body in environment.of("Deployment").values():
            image = images.parse(container(body)["image"])
            assert image.digest
            assert image.tag != "unset"

    def test_patches_are_json_6902(self) -> None:
        """The first strategic-merge patch costs each render 100 ms of CPU."""
        for file, content in kustomizations():
            assert not content.keys() & {"patchesStrategicMerge", "patchesJson6902"}, file
            for patch in content.get("patches", []):
                operations = yaml.safe_load(patch["patch"])
                assert all(operation["op"] for operation in operations), file

    def test_kustomizations_use_nothing_outside_the_tree(self) -> None:
        for file, content in kustomizations():
            assert not content.keys() & {"helmCharts", "generators", "transformers", "bases", "crds"}, file
            for entry in [*content.get("resources", []), *content.get("components", [])]:
                target = (file.parent / entry).resolve()
                assert target.exists(), f"{file}: {entry}"
                assert target.is_relative_to(ROOT / "base") or target.parent == file.parent

    def test_generator_files_are_in_the_directory_of_their_kustomization(self) -> None:
        for file, content in kustomizations():
            for generator in content.get("configMapGenerator", []):
                assert all((file.parent / name).is_file() for name in generator.get("files", []))

    def test_pipeline_names_the_environments_and_services_of_the_tree(
        self, environments: Mapping[str, Rendered]
    ) -> None:
        declared = pipeline.parse((ROOT / "environments/pipeline.yaml").read_bytes())
        assert declared.order == ENVIRONMENTS
        assert set(declared.services) == set(SERVICES)
        for name, rendered in environments.items():
            namespaces = {body["metadata"]["namespace"] for body in rendered.objects}
            assert namespaces == {declared.environments[name].namespace}

    def test_pipeline_declares_the_images_that_run(self, environment: Rendered) -> None:
        declared = pipeline.parse((ROOT / "environments/pipeline.yaml").read_bytes()).services
        running = {name: images.parse(container(d)["image"]).name for name, d in environment.of("Deployment").items()}
        assert running == {name: service.image for name, service in declared.items()}


def _config_map(rendered: Rendered, name: str) -> Body:
    """Return the ConfigMap whose name without the content hash is `name`."""
    [body] = [body for found, body in rendered.of("ConfigMap").items() if found.rpartition("-")[0] == name]
    return body


def _volume(deployment: Body, name: str) -> dict[str, Any]:
    [volume] = [volume for volume in pod_spec(deployment)["volumes"] if volume["name"] == name]
    return dict(volume)


def _list_references(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each object that must exist before this pod can start."""
    yield "PriorityClass", spec["priorityClassName"]
    if "serviceAccountName" in spec:
        yield "ServiceAccount", spec["serviceAccountName"]
    for secret in spec["imagePullSecrets"]:
        yield "Secret", secret["name"]
    for app in [*spec["containers"], *spec.get("initContainers", [])]:
        yield from _list_variable_sources(app)
    for volume in spec["volumes"]:
        yield from _list_mounted(volume)


def _list_variable_sources(app: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in [*app.get("envFrom", []), *(entry.get("valueFrom", {}) for entry in app.get("env", []))]:
        for key, kind in (("configMapRef", "ConfigMap"), ("configMapKeyRef", "ConfigMap"), ("secretRef", "Secret"),
                          ("secretKeyRef", "Secret")):  # fmt: skip
            if key in source and not source[key].get("optional"):
                yield kind, source[key]["name"]


def _list_mounted(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "persistentVolumeClaim" in volume:
        yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for source in [volume, *volume.get("projected", {}).get("sources", [])]:
        if "configMap" in source and not source["configMap"].get("optional"):
            yield "ConfigMap", source["configMap"]["name"]
        secret = source.get("secret", {})
        if secret and not secret.get("optional"):
            yield "Secret", secret.get("secretName") or secret["name"]

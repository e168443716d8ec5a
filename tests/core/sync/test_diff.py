import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.ownership import fields
from gitops.core.sync import diff
from gitops.core.sync.field_change import FieldChange
from tests import ROOT

BODIES = ROOT / "tests/core/ownership/managed_fields"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
APP = "/spec/template/spec/containers/app"


def recorded(name: str) -> Any:
    return yaml.safe_load((BODIES / f"{name}.yaml").read_text())


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "prod"}, "data": data}


def secret(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "prod"}, "data": data}


def workload(**spec: Any) -> dict[str, Any]:
    pod = {"containers": [{"name": "app", "image": "shop:1"} | spec.pop("app", {})], **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"template": {"spec": pod}},
    }


def paths(changes: tuple[FieldChange, ...]) -> list[str]:
    return [change.field for change in changes]


class TestChanges:
    def test_a_console_edit_leaf_by_leaf(self) -> None:
        found = diff.changes(recorded("deployment-ours"), recorded("deployment-console"))

        assert found == (
            FieldChange("/metadata/annotations/deployment.kubernetes.io~1revision", "1", "2"),
            FieldChange("/spec/template/metadata/annotations/kubesphere.io~1restartedAt", None, "2026-11-23T10:00:00Z"),
            FieldChange(f"{APP}/env/DEBUG/name", None, "DEBUG"),
            FieldChange(f"{APP}/env/DEBUG/value", None, "1"),
            FieldChange(f"{APP}/image", "harbor.example/order:1.0", "harbor.example/order:9.9"),
        )

    def test_bookkeeping_of_the_server_and_status_are_no_change(self) -> None:
        before, after = config_map(a="1"), config_map(a="1")
        noise = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
        before["metadata"] |= dict.fromkeys(noise, "1")
        before["status"] = {"phase": "Active"}

        assert diff.changes(before, after) == ()

    def test_a_new_object_shows_every_leaf(self) -> None:
        assert FieldChange("/data/a", None, "1") in diff.changes(None, config_map(a="1"))

    def test_items_are_matched_by_their_keys(self) -> None:
        before = workload(app={"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]})
        after = workload(app={"env": [{"name": "B", "value": "2"}]})

        assert paths(diff.changes(before, after)) == [f"{APP}/env/A/name", f"{APP}/env/A/value"]

    def test_ports_are_matched_by_number_and_protocol(self) -> None:
        before = workload(app={"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]})
        after = workload(app={"ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP", "name": "d"}]})

        assert paths(diff.changes(before, after)) == [f"{APP}/ports", f"{APP}/ports/53-UDP/name"]

    def test_a_service_port_too_but_a_network_policy_port_by_position(self) -> None:
        before: Any = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}
        after: Any = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
        policy: Any = {"spec": {"ingress": [{"ports": [{"port": 80}]}]}}

        assert paths(diff.changes(before, after)) == ["/spec/ports/80-TCP/targetPort"]
        assert dict(fields.leaves(policy)) == {"/spec/ingress/0/ports/0/port": 80}

    def test_order_matters_where_items_have_keys(self) -> None:
        first, second = {"name": "migrate", "image": "m:1"}, {"name": "seed", "image": "s:1"}

        found = diff.changes(workload(initContainers=[first, second]), workload(initContainers=[second, first]))

        assert found == (FieldChange("/spec/template/spec/initContainers", "migrate, seed", "seed, migrate"),)

    def test_an_inserted_item_does_not_move_the_others(self) -> None:
        app, sidecar = {"name": "app"}, {"name": "proxy"}

        found = diff.changes(workload(volumes=[app]), workload(volumes=[sidecar, app]))

        assert paths(found) == ["/spec/template/spec/volumes/proxy/name"]

    def test_two_items_with_one_name_are_compared_by_position(self) -> None:
        twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]

        assert dict(fields.leaves({"env": twice}))["/env/1/value"] == "2"

    def test_an_empty_map_is_a_value(self) -> None:
        before, after = workload(), workload(volumes=[{"name": "tmp", "emptyDir": {}}])

        assert FieldChange("/spec/template/spec/volumes/tmp/emptyDir", None, "{}") in diff.changes(before, after)

    def test_filling_an_empty_map_is_one_change(self) -> None:
        before, after = workload(nodeSelector={}), workload(nodeSelector={"pool": "biz"})

        assert diff.changes(before, after) == (FieldChange("/spec/template/spec/nodeSelector/pool", None, "biz"),)

    def test_true_is_not_one(self) -> None:
        assert diff.changes(workload(hostNetwork=True), workload(hostNetwork=1)) == (
            FieldChange("/spec/template/spec/hostNetwork", "true", "1"),
        )

    def test_long_values_are_cut_around_the_place_where_they_differ(self) -> None:
        before, after = "x" * 5000 + "debug" + "y" * 5000, "x" * 5000 + "info" + "y" * 5000

        (found,) = diff.changes(config_map(a=before), config_map(a=after))

        assert found.old is not None
        assert found.new is not None
        assert "debug" in found.old
        assert "info" in found.new
        assert max(len(found.old), len(found.new)) <= 200

    def test_a_long_value_that_lost_its_end_still_shows_it(self) -> None:
        (found,) = diff.changes(config_map(a="x" * 500 + "end"), config_map(a="x" * 500))

        assert found.old is not None
        assert found.old.endswith("end")


class TestSecrets:
    def test_values_are_masked_on_both_sides(self) -> None:
        found = diff.changes(secret(a="b2xk", gone="b2xk"), secret(a="bmV3", added="bmV3"))

        assert found == (
            FieldChange("/data/a", "***", "***"),
            FieldChange("/data/added", None, "***"),
            FieldChange("/data/gone", "***", None),
        )

    def test_last_applied_is_masked_in_every_kind(self) -> None:
        before, after = config_map(), config_map()
        before["metadata"]["annotations"] = {LAST_APPLIED: '{"data":{"a":"hunter2"}}'}

        (found,) = diff.changes(before, after)

        assert (found.old, found.new) == ("***", None)

    def test_the_content_hash_in_a_generated_name_is_left_out(self) -> None:
        source = {"secretRef": {"name": "db-5hk2m9tgf7"}}

        found = diff.changes(workload(), workload(app={"envFrom": [source]}))

        assert found == (FieldChange(f"{APP}/envFrom/0/secretRef/name", None, "db-…"),)

    @given(planted=st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=12, max_size=400), data=st.data())
    def test_no_planted_value_ever_shows(self, planted: str, data: st.DataObject) -> None:
        parts = st.dictionaries(st.sampled_from("abc"), st.sampled_from([planted, "b2xk"]), max_size=3)
        places = st.fixed_dictionaries(dict.fromkeys(("data", "stringData", "binaryData"), parts))
        before, after = secret() | data.draw(places), secret() | data.draw(places)
        for side in (before, after):
            side["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(side)}

        shown = repr((diff.changes(before, after), diff.changes(None, after), diff.declared_changes(before, after)))

        assert planted[:12] not in shown


class TestDeclaredChanges:
    def test_what_the_server_answers_to_an_apply_agrees(self) -> None:
        live = recorded("deployment-ours")
        manifest = copy.deepcopy(live)
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["resources"] = {"requests": {"cpu": "0.1", "memory": "65536Ki"}}
        del container["terminationMessagePath"], manifest["spec"]["strategy"]

        assert diff.declared_changes(manifest, live) == ()

    def test_what_an_admission_changed_or_removed(self) -> None:
        manifest = workload(app={"env": [{"name": "A", "value": "1"}]})
        live = workload(app={"image": "mirror/shop:1"})

        assert diff.declared_changes(manifest, live) == (
            FieldChange(f"{APP}/env/A/name", "A", None),
            FieldChange(f"{APP}/env/A/value", "1", None),
            FieldChange(f"{APP}/image", "shop:1", "mirror/shop:1"),
        )

    def test_what_others_added_is_not_ours_to_tell(self) -> None:
        assert diff.declared_changes(workload(), workload(hostNetwork=True)) == ()

    @pytest.mark.parametrize(
        ("declared", "live"),
        [
            ({"resources": {"limits": {"cpu": "1000m"}}}, {"resources": {"limits": {"cpu": "1"}}}),
            ({"resources": {"limits": {"cpu": 1}}}, {"resources": {"limits": {"cpu": "1"}}}),
            ({"resources": {"limits": {"memory": "1Gi"}}}, {"resources": {"limits": {"memory": "1073741824"}}}),
            ({"livenessProbe": {"httpGet": {"port": "8080"}}}, {"livenessProbe": {"httpGet": {"port": 8080}}}),
            ({"securityContext": {}}, {}),
            ({"securityContext": {}}, {"securityContext": {"privileged": False}}),
            ({"command": None}, {}),
            ({"args": []}, {}),
            ({"stdin": False}, {}),
            ({"env": [{"name": "EMPTY", "value": ""}]}, {"env": [{"name": "EMPTY"}]}),
        ],
    )
    def test_other_spellings_of_a_value_agree(self, declared: dict[str, Any], live: dict[str, Any]) -> None:
        assert diff.declared_changes(workload(app=declared), workload(app=live)) == ()

    @pytest.mark.parametrize(
        ("declared", "live"),
        [
            ({"resources": {"limits": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "2"}}}),
            ({"env": [{"name": "limits", "value": "1000m"}]}, {"env": [{"name": "limits", "value": "1"}]}),
            ({"stdin": True}, {"stdin": False}),
            ({"stdin": True}, {"stdin": "True"}),
            ({"stdin": True}, {"stdin": 1}),
        ],
    )
    def test_other_values_do_not(self, declared: dict[str, Any], live: dict[str, Any]) -> None:
        assert len(diff.declared_changes(workload(app=declared), workload(app=live))) == 1

    def test_a_config_map_value_is_text_and_no_quantity(self) -> None:
        assert paths(diff.declared_changes(config_map(limits="1Gi"), config_map(limits="1073741824"))) == [
            "/data/limits"
        ]

    def test_string_data_is_compared_with_what_the_server_made_of_it(self) -> None:
        manifest = secret() | {"stringData": {"a": "old"}}

        assert diff.declared_changes(manifest, secret(a="b2xk")) == ()
        assert diff.declared_changes(manifest, secret(a="bmV3")) == (FieldChange("/data/a", "***", "***"),)


NAMES = st.text(alphabet="abcxyz/~.-", min_size=1, max_size=6)
SCALARS = st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(inner, max_size=3),
        st.builds(
            lambda items: {"env": [{"name": str(at), "value": each} for at, each in enumerate(items)]},
            st.lists(inner, max_size=3),
        ),
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4).map(lambda spec: workload() | {"spec": spec})


@given(OBJECTS)
def test_diff_of_a_body_with_itself_is_empty(body: dict[str, Any]) -> None:
    assert diff.changes(body, copy.deepcopy(body)) == ()
    assert diff.declared_changes(body, copy.deepcopy(body)) == ()


@given(body=OBJECTS, data=st.data())
def test_diff_finds_every_edited_leaf_and_nothing_else(body: dict[str, Any], data: st.DataObject) -> None:
    edited = copy.deepcopy(body)
    slots = list(_scalar_slots(edited["spec"]))
    chosen = data.draw(st.sets(st.sampled_from(range(len(slots))), max_size=4)) if slots else set()
    for each in chosen:
        container, key = slots[each]
        container[key] = f"edited {container[key]!r}"

    assert len(diff.changes(body, edited)) == len(chosen)
    assert len(diff.changes(edited, body)) == len(chosen)


def _scalar_slots(value: Any) -> Any:
    """Each place that holds a scalar, but for merge keys: editing one makes another item of it."""
    pairs = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, member in pairs:
        if isinstance(member, list | dict):
            yield from _scalar_slots(member)
        elif key != "name":
            yield value, key

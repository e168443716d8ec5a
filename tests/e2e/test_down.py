"""`lockstep down` removes what an overlay that left git has left in the cluster; nothing else does."""

from tests.e2e.harness import World, reason


def test_down_deletes_the_objects_of_an_overlay_that_left_git(running: World) -> None:
    world = running
    till = f"{world.names.split}/till"
    directory = f"environments/{till}"
    world.edit({f"{directory}/kustomization.yaml": None, f"{directory}/till.yaml": None})
    world.until_status(till, lambda found: reason(found) == "Orphaned")
    assert world.console.read("ConfigMap", world.names.split, "till") is not None, "a pass deleted it"
    printed = world.command("down", till)
    assert f"pruned ConfigMap {world.names.split}/till" in printed
    assert world.console.read("ConfigMap", world.names.split, "till") is None
    assert world.members(till) == set()
    assert world.console.list("Deployment", world.names.split) != [], "the other overlay's objects stay"

"""A change on its way: pushed image or pushed commit -> the trunk -> the cluster -> Healthy."""

from tests.e2e.harness import World


def test_up(running: World) -> None:
    sent = running.push_image("shop", "1.1.0")
    assert sent.answer
    assert sent.answer.status == 200, sent
    running.until_image(running.names.dev, "shop", "1.1.0")
    running.until_ready()

"""The fields that a pattern covers."""

import pytest

from gitops.core.contract.variations.field_patterns import FieldPattern


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/spec/replicas", "/spec/replicas"),
        ("/spec/hard", "/spec/hard/requests.cpu"),
        ("/data/*", "/data/DB_URL"),
        ("/spec/template/spec/containers/*/resources", "/spec/template/spec/containers/app/resources/limits/memory"),
        ("/spec/**", "/spec/a/b/c"),
        ("/spec/**", "/spec"),
        ("/spec/**/image", "/spec/template/spec/containers/app/image"),
        ("/metadata/annotations/a~1b", "/metadata/annotations/a~1b"),
        ("/metadata/annotations/a~0b", "/metadata/annotations/a~0b"),
        ("/data/a.b", "/data/a.b"),
    ],
)
def test_pattern_covers(pattern: str, path: str) -> None:
    assert FieldPattern(pattern).covers(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/spec/replicas", "/spec/replicasOfOther"),
        ("/spec/replicas", "/spec"),
        ("/data/*", "/data"),
        ("/data/*", "/binaryData/x"),
        ("/spec/*/image", "/spec/a/b/image"),
        ("/spec/**/image", "/spec/template/imagePullPolicy"),
        ("/data/a.b", "/data/axb"),
        ("/metadata/annotations/a", "/metadata/annotations/a~1b"),
    ],
)
def test_pattern_does_not_cover(pattern: str, path: str) -> None:
    assert not FieldPattern(pattern).covers(path)


def test_pattern_matches_the_field_that_it_names() -> None:
    assert FieldPattern("/spec/containers/*/resources").matched_field("/spec/containers/app/resources/limits/cpu") == (
        "/spec/containers/app/resources"
    )
    assert FieldPattern("/spec").matched_field("/status") is None


def test_pattern_has_common_depth_with_a_path() -> None:
    assert FieldPattern("/spec/*/resources/limits").common_depth("/spec/app/resources/requests") == 3
    assert FieldPattern("/data/*").common_depth("/spec/replicas") == 0

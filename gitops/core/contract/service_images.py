"""The images of declared services: promotions choose their tag and digest, so only the repository is compared with
base, and the digest must be there.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.pod_paths import is_image_of_pod
from gitops.core.contract.comparison.shapes import ObjectShape
from gitops.core.contract.object_rules import FieldValues, ObjectRules
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.sync.diff import ABSENT

_IMAGE = re.compile(r"^/spec/(?:.*/)?image$")


def strip_versions(shape: ObjectShape, book: RuleBook) -> ObjectShape:
    """The shape with the images of declared services reduced to their names, in the containers of pods only.

    Anywhere else promotions do not know the image, so its tag and digest are compared like every value.
    """
    return replace(shape, leaves=dict(_strip_leaves(shape, book)))


def check_images(subject: ObjectRules, book: RuleBook) -> Iterator[Violation]:
    """Images of declared services need a digest. With the standard preset the last environment needs fixed tags."""
    for path, value in subject.shape.leaves.items():
        if not _IMAGE.search(path):
            continue
        image = book.service_image(value)
        values = FieldValues(path, ABSENT, value)
        if image is not None and not image.digest:
            yield from subject.violation(
                ViolationKind.UNPINNED,
                ViolationSeverity.FORBID,
                values,
                why="the image of a service has no digest, so what runs could change without a commit",
                remedy="set newTag and digest under `images:`, as Lockstep's own commits do",
            )
        elif image is None and book.has_standard_preset and book.is_last(subject.environment) and _is_loose(value):
            yield from subject.violation(
                ViolationKind.PRESET,
                ViolationSeverity.WARN,
                values,
                why="the image has no fixed version: its tag is `latest`, or it has none",
                remedy="set the tag of a version",
            )


def _strip_leaves(shape: ObjectShape, book: RuleBook) -> Iterator[tuple[str, Any]]:
    for path, value in shape.leaves.items():
        image = book.service_image(value) if is_image_of_pod(path) else None
        yield path, image.name if image else value


def _is_loose(image: Any) -> bool:
    tag = str(image).rpartition("/")[2].partition(":")[2]
    return "@" not in str(image) and tag in {"", "latest"}

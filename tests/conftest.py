"""Fixtures and settings of every test."""

import hypothesis

pytest_plugins = ["tests.worlds.control_plane", "tests.worlds.kubernetes"]

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

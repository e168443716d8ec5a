"""The tests of Lockstep. They mirror gitops/ and webhooks/: the tests of gitops/core/promotion/gates.py are in
core/promotion/test_gates.py. worlds/ holds what several tests share (git hosts, a control plane, registries), e2e/ the
whole controller as a process, project/ the Dockerfile, deploy/ and docs/. Begin with worlds/promotion.py.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

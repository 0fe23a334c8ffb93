"""Fixtures of the kernel's tests of the agent serve here too."""

from tests.kernel.agent.conftest import node

__all__ = ["node"]

"""Parts are killed over and over while strategies come and go: in the end everybody agrees on what is wanted."""

import random

import pytest

from .conftest import Installation

ROUNDS = 25


@pytest.mark.long
@pytest.mark.timeout(900)
def test_whatever_is_killed_the_kernel_ends_up_with_what_is_wanted(installation: Installation) -> None:
    choose = random.Random(20)  # noqa: S311 - a fixed seed: the same story each time
    original = installation.untouched
    strategy = ""
    for number in range(ROUNDS):
        if strategy:
            installation.request("DELETE", "/api/v1/strategies", {"strategyId": strategy})
            strategy = ""
        else:
            body = {"name": f"chaos-{number}", "labelSelectors": [{"key": "app", "value": "web"}], "priority": 0}
            strategy = installation.request("POST", "/api/v1/strategies", body)[1]["data"]["id"]
        for part in choose.sample(["agent", "manager", "gateway"], k=choose.randint(1, 3)):
            installation.kill(part)
            installation.start(part)
        installation.wait(lambda: installation.node()["state"] == "SYNCED", f"round {number}: no session")
        wanted = [16 * original[0] if strategy else original[0], original[1]]
        installation.wait(
            lambda wanted=wanted: installation.weights() == wanted, f"round {number}: weights are not {wanted}"
        )

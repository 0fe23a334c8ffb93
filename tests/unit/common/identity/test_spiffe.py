"""The names in certificates."""

import pytest

from gthulhu.common import errors
from gthulhu.common.identity import spiffe

DOMAIN = "gthulhu.local"


@pytest.mark.parametrize(
    ("peer", "uri"),
    [
        (spiffe.Peer("manager"), "spiffe://gthulhu.local/manager"),
        (spiffe.Peer("gateway"), "spiffe://gthulhu.local/gateway"),
        (spiffe.Peer("agent", "node-1.example"), "spiffe://gthulhu.local/agent/node-1.example"),
    ],
)
def test_an_id_is_read_as_it_was_written(peer: spiffe.Peer, uri: str) -> None:
    assert spiffe.identifier(peer, trust_domain=DOMAIN) == uri
    assert spiffe.parse(uri, trust_domain=DOMAIN) == peer


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://other.local/manager",
        "spiffe://gthulhu.local.evil/manager",
        "spiffe://gthulhu.local",
        "spiffe://gthulhu.local/",
        "spiffe://gthulhu.local/manager/",
        "spiffe://gthulhu.local/manager/x",
        "spiffe://gthulhu.local/root",
        "spiffe://gthulhu.local/agent",
        "spiffe://gthulhu.local/agent/",
        "spiffe://gthulhu.local/agent/a/b",
        "spiffe://gthulhu.local/agent/..",
        "spiffe://gthulhu.local/agent/a\n",
        "https://gthulhu.local/manager",
        "",
    ],
)
def test_any_other_id_names_nobody(uri: str) -> None:
    assert spiffe.parse(uri, trust_domain=DOMAIN) is None


@pytest.mark.parametrize("node", ["", "a/b", "../manager", "-a", "a.", "a b", "é", "a" * 254, "a\n"])
def test_what_cannot_be_a_node_is_refused(node: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=r"^node: "):
        spiffe.identifier(spiffe.Peer("agent", node), trust_domain=DOMAIN)


@pytest.mark.parametrize("domain", ["", "A", "a/b", "a:1", ".a"])
def test_what_cannot_be_a_trust_domain_is_refused(domain: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=r"^trust_domain: "):
        spiffe.check_trust_domain(domain)

"""One template, two renderings."""

import pathlib
from typing import Any

import pytest
import yaml

from gthulhu.gateway import certificates, options, render, routes


def settings(kind: routes.Kind = "manager", **changes: object) -> options.Options:
    upstreams = ["manager:9443"] if kind == "manager" else ["unix:/run/agent.sock"]
    return options.Options(**{"kind": kind, "listen": "127.0.0.1:8081", "upstreams": upstreams, **changes})


def manager_of(rendered: str) -> dict[str, Any]:
    listener = yaml.safe_load(rendered)["static_resources"]["listeners"][0]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def cluster_of(rendered: str) -> dict[str, Any]:
    return yaml.safe_load(rendered)["static_resources"]["clusters"][0]


@pytest.mark.parametrize(
    ("kind", "services"),
    [
        (
            "manager",
            {"Auth", "User", "Role", "Audit", "Strategy", "Intent", "Cluster", "System"},
        ),
        ("agent", {"DecisionMaker", "System"}),
    ],
)
def test_only_the_services_of_users_are_transcoded(kind: routes.Kind, services: set[str]) -> None:
    filters = {each["name"]: each["typed_config"] for each in manager_of(render.render(settings(kind)))["http_filters"]}
    transcoder = filters["envoy.filters.http.grpc_json_transcoder"]

    assert set(transcoder["services"]) == {f"gthulhu.v1.{name}Service" for name in services}
    assert all(transcoder["request_validation_options"].values())
    assert transcoder["convert_grpc_status"] is False


def test_a_request_meets_limits_before_the_transcoder() -> None:
    names = [each["name"].rsplit(".", 1)[1] for each in manager_of(render.render(settings()))["http_filters"]]

    assert names.index("local_ratelimit") < names.index("lua") < names.index("body_size_limit")
    assert names[-2:] == ["grpc_json_transcoder", "router"]


def test_managers_are_known_by_their_spiffe_id(tmp_path: pathlib.Path) -> None:
    wanted = settings(certificates=tmp_path, trust_domain="example.org")
    cluster, secrets = cluster_of(render.render(wanted)), dict(certificates.secrets(wanted))

    validation = cluster["transport_socket"]["typed_config"]["common_tls_context"]["combined_validation_context"]
    assert validation["default_validation_context"]["match_typed_subject_alt_names"] == [
        {"san_type": "URI", "matcher": {"exact": "spiffe://example.org/manager"}}
    ]
    (authority,) = secrets["authority.yaml"]["resources"]
    assert authority["name"] == validation["validation_context_sds_secret_config"]["name"]
    assert authority["validation_context"]["trusted_ca"] == {"filename": str(tmp_path / "ca.crt")}


@pytest.mark.parametrize(
    ("upstreams", "kind"),
    [
        (["10.0.0.1:9443", "[fd00::1]:9443"], "STATIC"),
        (["10.0.0.1:9443", "manager:9443"], "STRICT_DNS"),
        (["face:9443"], "STRICT_DNS"),
    ],
)
def test_names_are_looked_up_and_addresses_are_not(upstreams: list[str], kind: str) -> None:
    assert cluster_of(render.render(settings(upstreams=upstreams)))["type"] == kind


def test_there_is_no_admin_interface_unless_asked_for() -> None:
    assert "admin" not in yaml.safe_load(render.render(settings()))


@pytest.mark.parametrize("admin", ["0.0.0.0:9901", "[::]:9901", ":9901", "localhost.evil:9901"])
def test_an_admin_interface_that_others_can_reach_is_refused(admin: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        settings(admin=admin)


def test_a_gateway_in_front_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="upstreams"):
        settings(upstreams=[])


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:70000"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        options.split(text)


@pytest.mark.parametrize(
    ("text", "parts"), [(":8081", ("", 8081)), ("a.b:1", ("a.b", 1)), ("[::1]:2", ("::1", 2)), ("::1:2", ("::1", 2))]
)
def test_an_address_has_host_and_port(text: str, parts: tuple[str, int]) -> None:
    assert options.split(text) == parts


@pytest.mark.parametrize(
    ("listen", "tls", "exposed"),
    [
        ("127.0.0.1:8081", False, False),
        ("[::1]:8081", False, False),
        ("localhost:8081", False, False),
        (":8081", False, True),
        ("10.0.0.1:8081", False, True),
        (":8081", True, False),
    ],
)
def test_plain_http_off_loopback_is_exposed(*, listen: str, tls: bool, exposed: bool) -> None:
    certificate = options.Certificate(chain=pathlib.Path("a.crt"), key=pathlib.Path("a.key"))

    assert settings(listen=listen, tls=certificate if tls else None).exposed is exposed


@pytest.mark.parametrize("given", ["10.0.0.1/8", "nobody", "10.0.0.0/33"])
def test_a_range_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="open_to"):
        settings(open_to=[given])

"""Certificates that Envoy takes from files, and takes anew when they are replaced.

Envoy reads what its configuration names once. What a secret discovery service names it reads again whenever something
is moved into the folder, and a file of its own will do for such a service: `secrets` makes those files. A key and a
certificate that do not belong together, as between the two steps of a renewal, change nothing.
"""

import pathlib
from collections.abc import Iterator

from gthulhu.gateway import envoy, options

_CLIENTS = "clients"
_IDENTITY = "identity"
_AUTHORITY = "authority"


def secrets(settings: options.Options) -> Iterator[tuple[str, envoy.Config]]:
    """Yield the name and content of each file in `settings.files.secrets`."""
    if settings.tls:
        yield _file(_CLIENTS, _pair(settings.tls.chain, settings.tls.key))
    if folder := settings.certificates:
        yield _file(_IDENTITY, _pair(folder / "gateway.crt", folder / "gateway.key"))
        trusted = {"trusted_ca": {"filename": str(folder / "ca.crt")}, "watched_directory": {"path": str(folder)}}
        yield _file(_AUTHORITY, {"validation_context": trusted})


def for_clients(settings: options.Options) -> envoy.Config:
    """Return the transport socket of a listener: nothing without TLS."""
    if not settings.tls:
        return {}
    context = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_reference(_CLIENTS, settings)],
    }
    return _socket("DownstreamTlsContext", common_tls_context=context)


def to_managers(settings: options.Options) -> envoy.Config:
    """Return the transport socket of the cluster: nothing without certificates."""
    if not settings.certificates:
        return {}
    identity = f"spiffe://{settings.trust_domain}/manager"
    context = {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificate_sds_secret_configs": [_reference(_IDENTITY, settings)],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": identity}}]
            },
            "validation_context_sds_secret_config": _reference(_AUTHORITY, settings),
        },
    }
    return _socket("UpstreamTlsContext", sni=settings.server_name, common_tls_context=context)


def _socket(message: str, **fields: object) -> envoy.Config:
    typed = envoy.typed(f"extensions.transport_sockets.tls.v3.{message}", **fields)
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": typed}}


def _reference(name: str, settings: options.Options) -> envoy.Config:
    source = {"path": str(settings.files.secrets / f"{name}.yaml")}
    return {"name": name, "sds_config": {"resource_api_version": "V3", "path_config_source": source}}


def _file(name: str, content: envoy.Config) -> tuple[str, envoy.Config]:
    secret = envoy.typed("extensions.transport_sockets.tls.v3.Secret", name=name, **content)
    return f"{name}.yaml", {"resources": [secret]}


def _pair(chain: pathlib.Path, key: pathlib.Path) -> envoy.Config:
    return {
        "tls_certificate": {
            "certificate_chain": {"filename": str(chain)},
            "private_key": {"filename": str(key)},
            "watched_directory": {"path": str(chain.parent)},
        }
    }

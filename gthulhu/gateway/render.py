"""Envoy's whole configuration, from the schema and a few options: one template, for managers and for agents."""

import yaml

from gthulhu.gateway import certificates, envoy, filters, options, replies, table, upstream

_MAX_CONNECTIONS = 10_000
_ACCESS = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "protocol": "%PROTOCOL%",
    "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "rpc": "%ROUTE_NAME%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "duration_ms": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "upstream": "%UPSTREAM_HOST%",
    "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "user_agent": "%REQ(USER-AGENT)%",
}
"""One line of the access log. Neither queries nor headers that may hold secrets are in it."""


def render(settings: options.Options) -> str:
    """Return the configuration as YAML."""
    return text(bootstrap(settings))


def text(config: envoy.Config) -> str:
    """Return any part of it as YAML."""
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=120)


def bootstrap(settings: options.Options) -> envoy.Config:
    """Return the configuration as a message of Envoy's API."""
    return {
        **({"admin": {"address": envoy.address(settings.admin)}} if settings.admin else {}),
        "node": {"id": f"gthulhu-{settings.kind}-gateway", "cluster": "gthulhu"},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": envoy.typed(
                        "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        max_active_downstream_connections=_MAX_CONNECTIONS,
                    ),
                }
            ]
        },
        "static_resources": {"listeners": [_listener(settings)], "clusters": [upstream.cluster(settings)]},
    }


def _listener(settings: options.Options) -> envoy.Config:
    chain = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": _connection_manager(settings)}
        ],
        **certificates.for_clients(settings),
    }
    return {
        "name": settings.kind,
        "address": envoy.address(settings.listen),
        "enable_reuse_port": False,  # a second gateway on the same port must fail, not take half of the connections
        # Of what is in transit; answers that are transcoded as a whole have a limit of their own.
        "per_connection_buffer_limit_bytes": 1 << 20,
        "filter_chains": [chain],
    }


def _connection_manager(settings: options.Options) -> envoy.Config:
    return envoy.typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=settings.kind,
        codec_type="AUTO",
        server_name="gthulhu",
        use_remote_address=True,
        xff_num_trusted_hops=settings.trusted_proxies,
        generate_request_id=True,
        always_set_request_id_in_response=True,
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        request_headers_timeout="10s",
        request_timeout="30s",
        stream_idle_timeout="300s",
        common_http_protocol_options={
            "idle_timeout": "300s",
            # Names with an underscore can be taken for others by whatever reads them next.
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        http2_protocol_options={
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 1 << 16,
            "initial_connection_window_size": 1 << 20,
        },
        local_reply_config=replies.local_replies(),
        **({"access_log": [_access_log(settings.access_log)]} if settings.access_log else {}),
        route_config={
            "name": settings.kind,
            "virtual_hosts": [table.virtual_host(settings)],
            "max_direct_response_body_size_bytes": 4096,
        },
        http_filters=filters.http_filters(settings),
    )


def _access_log(path: str) -> envoy.Config:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": envoy.typed(
            "extensions.access_loggers.file.v3.FileAccessLog", path=path, log_format={"json_format": _ACCESS}
        ),
    }


class _Dumper(yaml.SafeDumper):
    """Writes what occurs twice twice: a configuration is read from top to bottom."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True

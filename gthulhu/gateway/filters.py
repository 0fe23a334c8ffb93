"""The HTTP filters of a gateway, in the order in which a request meets them (an answer meets them backwards)."""

import ipaddress
from collections.abc import Sequence

from gthulhu.common.grpc import access
from gthulhu.gateway import envoy, options, routes
from gthulhu.v1 import auth_pb2

MAX_BODY = 1 << 20
"""Bytes of a request's body; REST 413 above."""
MAX_ANSWER = 64 << 20
"""Bytes of an answer that is transcoded as a whole: some 10,000 strategies with 1 KiB each, and room."""
_REMEMBERED_CLIENTS = 10_000
_SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
}


def http_filters(settings: options.Options) -> Sequence[envoy.Config]:
    """Return the filters of a gateway."""
    manager = settings.kind == "manager"
    return [
        _security_headers(tls=settings.tls is not None),
        *([envoy.http_filter("cors", "extensions.filters.http.cors.v3.Cors")] if settings.cors_origins else []),
        *([_open_to(settings)] if settings.open_to else []),
        *([_login_limit(settings.login_attempts)] if manager else []),
        envoy.http_filter(
            "lua",
            "extensions.filters.http.lua.v3.Lua",
            default_source_code={"filename": str(settings.files.presentation)},
        ),
        *([_pages(settings.files)] if manager else []),
        envoy.http_filter(
            "body_size_limit",
            "extensions.filters.http.body_size_limit.v3.BodySizeLimit",
            max_request_bytes=MAX_BODY,
        ),
        _transcoder(settings),
        envoy.http_filter("router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True),
    ]


def _security_headers(*, tls: bool) -> envoy.Config:
    headers = {**_SECURITY, **({"strict-transport-security": "max-age=31536000"} if tls else {})}
    appends = [
        {"append": {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}}
        for name, value in headers.items()
    ]
    return envoy.http_filter(
        "header_mutation",
        "extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={"response_mutations": appends},
        most_specific_header_mutations_wins=False,
    )


def _open_to(settings: options.Options) -> envoy.Config:
    """Let only some addresses read what needs no token, over REST and gRPC."""
    rules = access.rules()
    read = [route for route in routes.routes(settings.kind) if route.method == "GET"]
    paths = [
        path
        for route in read
        if rules[rpc := f"/{route.rpc.containing_service.full_name}/{route.rpc.name}"].public
        for path in (route.template, rpc)
    ]
    ranges = [ipaddress.ip_network(given) for given in settings.open_to]
    policy = {
        "permissions": [{"url_path": {"path": {"exact": path}}} for path in paths],
        "principals": [{"not_id": {"or_ids": {"ids": [{"remote_ip": _range(each)} for each in ranges]}}}],
    }
    return envoy.http_filter(
        "rbac",
        "extensions.filters.http.rbac.v3.RBAC",
        rules={"action": "DENY", "policies": {"open_to": policy}},
    )


def _range(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> envoy.Config:
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}


def _login_limit(attempts: int) -> envoy.Config:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return envoy.http_filter(
        "local_ratelimit",
        "extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="login",
        # Nothing but a log-in makes a descriptor, and what makes none is not limited.
        token_bucket={"max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "1s"},
        always_consume_default_token_bucket={"value": False},
        filter_enabled={"runtime_key": "gateway.login_limit", **always},
        filter_enforced={"runtime_key": "gateway.login_limit_enforced", **always},
        rate_limited_as_resource_exhausted=True,
        max_dynamic_descriptors=_REMEMBERED_CLIENTS,
        rate_limits=[
            {
                "actions": [
                    {
                        "header_value_match": {
                            "descriptor_key": "route",
                            "descriptor_value": "login",
                            "headers": [{"name": ":path", "string_match": {"safe_regex": {"regex": _login_paths()}}}],
                        }
                    },
                    # The client's address, or its network where everybody has 2^64 of them.
                    {"masked_remote_address": {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}},
                ]
            }
        ],
        descriptors=[
            {
                "entries": [{"key": "route", "value": "login"}, {"key": "masked_remote_address"}],
                "token_bucket": {"max_tokens": attempts, "tokens_per_fill": attempts, "fill_interval": "60s"},
            }
        ],
    )


def _login_paths() -> str:
    """Return an expression for both ways to log in, REST and gRPC: they share one limit."""
    login = auth_pb2.DESCRIPTOR.services_by_name["AuthService"].methods_by_name["Login"]
    rest = [route.pattern for route in routes.routes("manager") if route.rpc.full_name == login.full_name]
    return f"({'|'.join([*rest, f'/{login.containing_service.full_name}/{login.name}'])})([?].*)?"


def _pages(files: options.Files) -> envoy.Config:
    folders = {"/swagger/": files.swagger, "/swagger/assets/": files.swagger_assets, "/ui/": files.ui}
    return envoy.http_filter(
        "file_server",
        "extensions.filters.http.file_server.v3.FileServerConfig",
        manager_config={"thread_pool": {"thread_count": 1}},
        path_mappings=[
            {"request_path_prefix": prefix, "file_path_prefix": f"{folder}/"} for prefix, folder in folders.items()
        ],
        content_types=_TYPES,
        default_content_type="application/octet-stream",
        directory_behaviors=[{"default_file": "index.html"}],
    )


def _transcoder(settings: options.Options) -> envoy.Config:
    return envoy.http_filter(
        "grpc_json_transcoder",
        "extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        proto_descriptor=str(settings.files.descriptors),
        services=[service.full_name for service in routes.services(settings.kind)],
        # The route that the client asked for stays: it carries the presentation.
        match_incoming_request_route=True,
        convert_grpc_status=False,
        query_param_unescape_plus=True,  # as browsers and HTTP libraries write spaces
        print_options={"always_print_primitive_fields": True, "stream_sse_style_delimited": True},
        request_validation_options={
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        max_request_body_size=MAX_BODY,
        max_response_body_size=MAX_ANSWER,
    )

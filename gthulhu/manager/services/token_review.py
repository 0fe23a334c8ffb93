"""Asks Kubernetes whose service-account token it is, and on which node the pod that holds it runs.

See https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/ and, for the node in
a token, https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import aiohttp
from kubernetes.aio import client, config

from gthulhu.common import errors

AUDIENCE = "gthulhu-manager"
"""That a token must be made for: one for the Kubernetes API itself, which every pod has, is not taken."""

_EXTRA = "authentication.kubernetes.io/"
_SECONDS = 5.0
"""For all questions about one token."""

_log = logging.getLogger(__name__)


class TokenReview:
    """Knows the node of an agent by its service-account token."""

    def __init__(self, *, connect: Callable[[], Awaitable[client.ApiClient]], service_account: str) -> None:
        """Take what connects to the API (see `gthulhu.manager.inventory.api`), and the agents' account."""
        namespace, _, name = service_account.partition("/")
        self._connect = connect
        self._namespace = namespace
        self._username = f"system:serviceaccount:{namespace}:{name}"

    async def node_of(self, token: str) -> str:
        """Return the node that the token's pod runs on.

        Raises:
            UnauthenticatedError: `SERVICE_ACCOUNT_TOKEN_INVALID`: not valid now, for another audience or account, or
                of no pod that runs on a node.
            UnavailableError: `KUBERNETES_UNAVAILABLE`: its API does not answer, or not to this manager.
        """
        try:
            async with asyncio.timeout(_SECONDS), await self._connect() as api:
                return await self._reviewed(api, token)
        except (client.ApiException, aiohttp.ClientError, config.ConfigException, OSError, ValueError) as error:
            # Answers may repeat the token: only their status is logged.
            why = f"status {error.status}" if isinstance(error, client.ApiException) else str(error)
            _log.warning("the token review failed: %s %s", type(error).__name__, why)
            raise errors.UnavailableError(
                "KUBERNETES_UNAVAILABLE", "Kubernetes cannot be asked about the token now", retry_after=_SECONDS
            ) from None

    async def _reviewed(self, api: client.ApiClient, token: str) -> str:
        question = client.V1TokenReview(
            api_version="authentication.k8s.io/v1",
            kind="TokenReview",
            spec=client.V1TokenReviewSpec(token=token, audiences=[AUDIENCE]),
        )
        status = (await client.AuthenticationV1Api(api).create_token_review(question)).status
        if status is None or status.user is None or not status.authenticated:
            raise _invalid(f"Kubernetes says: {(status and status.error) or 'not authenticated'}")
        # A server that knows nothing of audiences answers with none, and has not checked them.
        if AUDIENCE not in (status.audiences or ()):
            raise _invalid(f"its audiences are {status.audiences}")
        if status.user.username != self._username:
            raise _invalid(f"it is of {status.user.username}, not of {self._username}")
        extra = status.user.extra or {}
        return _only(extra, "node-name") or await self._node_of_pod(api, extra)

    async def _node_of_pod(self, api: client.ApiClient, extra: Mapping[str, Sequence[str]]) -> str:
        """Return the node of the pod that the token is bound to: clusters before 1.30 do not name it in the token."""
        name, uid = _only(extra, "pod-name"), _only(extra, "pod-uid")
        if not name or not uid:
            raise _invalid("it is not bound to a pod")
        pods = client.CoreV1Api(api)
        try:
            pod = await pods.read_namespaced_pod(name=name, namespace=self._namespace)
        except client.ApiException as error:
            if error.status == 404:  # noqa: PLR2004 - HTTP's Not Found
                raise _invalid(f"there is no pod {name}") from None
            raise
        if not pod.metadata or pod.metadata.uid != uid or not pod.spec or not pod.spec.node_name:
            raise _invalid(f"pod {name} is another one by now, or on no node")
        return str(pod.spec.node_name)


def _only(extra: Mapping[str, Sequence[str]], key: str) -> str:
    values = extra.get(_EXTRA + key, ())
    return values[0] if len(values) == 1 else ""


def _invalid(why: str) -> errors.UnauthenticatedError:
    _log.warning("a service-account token was refused: %s", why)
    return errors.UnauthenticatedError(
        "SERVICE_ACCOUNT_TOKEN_INVALID", "the service-account token is not one of an agent's pod"
    )

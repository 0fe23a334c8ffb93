"""The errors that users and other parts of the system are meant to see.

Everything that is raised on purpose and leaves the process is a `DomainError`; its reason is stable and made for
programs, its message for people. Anything else that is raised is a fault of ours: it is logged with an incident id,
and its text never leaves the process (see `gthulhu.common.grpc.errors`).
"""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that cannot be taken as it is."""

    field: str
    """Path in JSON names, for example `strategy.labelSelectors[0].key`."""

    description: str
    """The value and what is allowed."""


class DomainError(Exception):
    """Base of all errors that leave the process as they are; the subclass says what kind of error it is."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        fields: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
    ) -> None:
        """Take the reason (UPPER_SNAKE), the public message, and what else the caller should know.

        Args:
            reason: Stable and unique for the case, for example `STRATEGY_NOT_FOUND`.
            message: For people; holds no secrets.
            fields: The fields at fault, for input errors.
            retry_after: Seconds after which trying again makes sense.
        """
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fields = tuple(fields)
        self.retry_after = retry_after


class InvalidInputError(DomainError):
    """The request itself is wrong: REST 400."""

    @classmethod
    def of_field(cls, field: str, description: str) -> "InvalidInputError":
        """Return the error for one field at fault."""
        return cls("INVALID_ARGUMENT", f"{field}: {description}", fields=[FieldViolation(field, description)])


class UnauthenticatedError(DomainError):
    """Who is calling is not known: REST 401."""


class PermissionDeniedError(DomainError):
    """The caller may not do this: REST 403."""


class NotFoundError(DomainError):
    """There is no such thing, or the caller may not know of it: REST 404."""


class ConflictError(DomainError):
    """Something else has changed it, or has the name already: REST 409."""


class PreconditionError(DomainError):
    """The system's state does not allow it, and trying again will not help: REST 400."""


class ResourceExhaustedError(DomainError):
    """Too much, too often: REST 429."""


class UnavailableError(DomainError):
    """Not now: REST 503."""


class DeadlineError(DomainError):
    """It took too long: REST 504."""

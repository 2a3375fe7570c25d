"""Refusals about endpoints and deliveries: expected, with what a caller needs to act on them."""

from collections.abc import Mapping
from dataclasses import dataclass


class NotificationError(Exception):
    """Base of every refusal. `code` is stable and documented."""

    code = "notification_error"


class InvalidValues(NotificationError):
    """Values of the request cannot be used; `faults` has a sentence for each field."""

    code = "invalid_request"

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


class EndpointMissing(NotificationError):
    """No such endpoint, or not yours."""

    code = "not_found"

    def __str__(self) -> str:
        return "There is no such endpoint."


class DeliveryMissing(NotificationError):
    """No such delivery, or not yours."""

    code = "not_found"

    def __str__(self) -> str:
        return "There is no such delivery."


class PushTargetMissing(NotificationError):
    """No such browser or phone, or not yours."""

    code = "not_found"

    def __str__(self) -> str:
        return "There is no such browser or device."


@dataclass
class ChannelUnavailable(NotificationError):
    """Nothing could be sent to what is registered: the installation lacks settings."""

    problem: str
    code = "channel_unavailable"

    def __str__(self) -> str:
        return f"This installation does not send such pushes: {self.problem}"


@dataclass
class TooManyEndpoints(NotificationError):
    """The owner has as many endpoints as one may have."""

    limit: int
    code = "too_many_endpoints"

    def __str__(self) -> str:
        return (
            f"You have {self.limit} endpoints, which is as many as one may have. Delete one first."
        )


class EndpointDisabled(NotificationError):
    """Nothing is sent to a disabled endpoint."""

    code = "endpoint_disabled"

    def __str__(self) -> str:
        return "The endpoint is disabled. Enable it first."


@dataclass
class EndpointUnreachable(NotificationError):
    """A test did not reach the endpoint: there is no answer to tell of."""

    reason: str
    code = "endpoint_unreachable"

    def __str__(self) -> str:
        return f"The endpoint did not answer the test. {self.reason}"


@dataclass
class TooSoon(NotificationError):
    """A test or replay was asked for while the last one is fresh, or too many wait for strangers' servers."""

    retry_after_seconds: int
    code = "too_soon"

    def __str__(self) -> str:
        return f"Not now: another one is under way. Try again in {self.retry_after_seconds} s."

"""A receiver of webhooks, as the tests of notifications have it."""

from tests.notifications.conftest import _receiver_process, receiver

__all__ = ["_receiver_process", "receiver"]

"""The HTTP application: API, dashboard, admin."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videogen.settings")
django.setup(set_prefix=False)

from django.core.cache import close_caches  # noqa: E402 - as below
from django.core.signals import request_finished, request_started  # noqa: E402 - as below
from django.db import close_old_connections, reset_queries  # noqa: E402 - as below
from django.urls import get_resolver  # noqa: E402 - as below

from videogen import garbage, process_metrics  # noqa: E402 - it needs the settings
from videogen.handlers import Application  # noqa: E402 - it needs the applications

process_metrics.begin()

# A connection that is too old is closed when a request begins; its end would look again. Our caches need no closing,
# and no statement is logged.
request_started.disconnect(reset_queries)
request_finished.disconnect(close_old_connections)
request_finished.disconnect(close_caches)

application = Application()

# All that a request needs is loaded before the first one.
_ = get_resolver().url_patterns
garbage.set_aside_what_is_loaded()

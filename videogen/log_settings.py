"""Who writes log lines, from which level on, and how; for the settings."""

from typing import Any


def of(formatter: str, *, level: str) -> dict[str, Any]:
    """Give the configuration (logging.config, "Configuration dictionary schema")."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {"()": "videogen.logs.LineFormatter"},
            "json": {"()": "videogen.logs.JsonFormatter"},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": formatter}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.request": {"level": "ERROR"},
            # Scanners of the internet, not faults of ours; the answer is 400.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            # It would write down whole addresses, those of webhooks with their tokens too.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }

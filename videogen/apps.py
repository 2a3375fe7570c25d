"""The wiring application: what must exist before any process serves."""

from django.apps import AppConfig
from django.conf import settings


class VideogenConfig(AppConfig):
    name = "videogen"
    label = "videogen"

    def ready(self) -> None:
        from videogen import checks, error_reports  # noqa: F401, PLC0415 - registering needs the apps

        error_reports.start()
        if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
            from videogen import tracing  # noqa: PLC0415 - the whole of it is only for those who trace

            tracing.start()

"""The wiring application: what must exist before any process serves."""

from django.apps import AppConfig


class VideogenConfig(AppConfig):
    name = "videogen"
    label = "videogen"

    def ready(self) -> None:
        from videogen import checks, error_reports  # noqa: F401, PLC0415 - registering needs the apps

        error_reports.start()

"""`manage.py render_contract`: writes docs/openapi.yaml; --check says whether it and what was promised still hold."""

from pathlib import Path
from typing import Any, Final

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

from videogen import compatibility

# What the code does, and what a release promised to programs: the first may only add to the second.
PATH: Final = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
PROMISED: Final = Path(settings.BASE_DIR) / "docs" / "openapi.promised.yaml"


class Command(BaseCommand):
    help = "Write the API's contract, or check that the code still keeps it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --check, which writes nothing, and --promise, which a release does."""
        parser.add_argument("--check", action="store_true")
        parser.add_argument("--promise", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write or check. Raises CommandError for warnings, drift and breaking changes."""
        text = _rendered()
        broken = compatibility.broken(yaml.safe_load(PROMISED.read_text()), yaml.safe_load(text))
        if broken:
            raise CommandError(
                "This breaks programs that keep to what was promised:\n"
                + "\n".join(f"  {one}" for one in broken)
            )
        if options["check"]:
            if PATH.read_text() != text:
                raise CommandError("docs/openapi.yaml is old. Run: bin/manage render_contract")
            return
        PATH.write_text(text)
        if options["promise"]:
            PROMISED.write_text(text)


def _rendered() -> str:
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    if GENERATOR_STATS:
        raise CommandError("The contract has warnings; they are above.")
    validate_schema(document)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    rendered: bytes = OpenApiYamlRenderer().render(document, renderer_context={})  # type: ignore[no-untyped-call]  # drf-spectacular has no types here
    return rendered.decode()

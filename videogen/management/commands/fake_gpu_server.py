"""Runs a reference GPU server: any dialect, realistic times, and misbehaviour on command."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter

from videogen.fake_gpu import app, options
from videogen.fake_gpu.dialects import registry


class _Formatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Puts our options first, and leaves the lines of the epilog alone."""


class Command(BaseCommand):
    help = "Run a reference GPU server that speaks the dialect of a real one."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = _Formatter
        options.add_arguments(parser, dialects=registry.SUMMARIES)

    def handle(self, *_: Any, **found: Any) -> None:
        try:
            uvloop.run(app.run(options.Options.of(found), say=self.stdout.write))
        except app.CannotStart as reason:
            raise CommandError(str(reason)) from None

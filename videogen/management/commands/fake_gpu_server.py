"""Runs a reference GPU server: any dialect, realistic times, and misbehaviour on command."""

from argparse import ArgumentParser
from typing import Any

import uvloop
from django.core.management.base import BaseCommand

from videogen.fake_gpu import app, options
from videogen.fake_gpu.dialects import registry


class Command(BaseCommand):
    help = "Run a reference GPU server that speaks the dialect of a real one."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        options.add_arguments(parser, dialects=registry.DIALECTS)

    def handle(self, *_: Any, **found: Any) -> None:
        uvloop.run(app.run(options.Options.of(found)))

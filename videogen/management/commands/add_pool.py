"""Adds or updates a pool, and tries its server."""

import sys
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs import orders, pool_checks, pools
from jobs.backends import registry
from jobs.backends.backend import BackendError
from jobs.errors import InvalidField
from jobs.models import Pool, PoolState
from notifications import sealing

# What a pool offers when nobody says otherwise.
_SECONDS = [4, 8, 12]
_SIZES = ["1280x720", "720x1280"]
_DRIVERS_OWN = "*"


class Command(BaseCommand):
    help = "Add or update a pool of GPU slots, and try its server: it really submits and cancels."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="letters, digits, - and _")
        parser.add_argument("--driver", help=", ".join(registry.drivers()))
        parser.add_argument("--profile", help="the dialect of its server, such as sglang")
        parser.add_argument("--url", help="the server's address, without /v1")
        parser.add_argument("--slots", type=int, help="generations at once")
        parser.add_argument(
            "--models", help="names separated by commas; without it the server is asked"
        )
        parser.add_argument("--seconds", help="lengths offered, separated by commas")
        parser.add_argument("--sizes", help="frame sizes offered, such as 1280x720,720x1280")
        parser.add_argument("--credits-per-second", type=int, help="price of a second of 854x480")
        parser.add_argument("--speed", type=float, help="GPU-seconds for a second of 854x480 video")
        parser.add_argument(
            "--polls-per-second", type=float, help="questions to the server at most"
        )
        parser.add_argument("--result-hosts", help="hosts that results may be on, or *.host")
        parser.add_argument(
            "--field-map",
            help="what its models call our fields, such as duration=num_seconds,resolution= (left out)",
        )
        parser.add_argument(
            "--image-input",
            nargs="?",
            const=_DRIVERS_OWN,
            help="its models begin from an image; a name where the server's input has an unusual one",
        )
        parser.add_argument(
            "--can-remix", action=BooleanOptionalAction, help="it can change a finished video"
        )
        parser.add_argument("--key", help="the server's API key; - reads it from standard input")
        parser.add_argument("--key-file", type=Path, help="a file with the key")
        parser.add_argument("--webhook-secret-file", type=Path, help="a file with whsec_...")
        parser.add_argument("--activate", action="store_true", help="take a paused pool in again")
        parser.add_argument("--no-test", action="store_true", help="do not try the server")

    def handle(self, *_: Any, name: str, no_test: bool, activate: bool, **options: Any) -> None:
        settings = self._settings(options)
        if activate:
            settings["state"] = PoolState.ACTIVE
        if not Pool.objects.filter(name=name).exists():
            settings = self._complete(name, settings)
        try:
            _name_image_input(name, settings)
            is_new = pools.put(name, settings, actor="add_pool")
        except InvalidField as error:
            raise CommandError(f"{error.field}: {error.message} Nothing was changed.") from error
        self.stdout.write(f"The pool {name} was {'added' if is_new else 'updated'}.")
        if no_test or tell(self, Pool.objects.get(name=name)):
            return
        if is_new:
            pools.change(name, actor="add_pool", reason="Its test failed.", state=PoolState.PAUSED)
            self.stdout.write(
                "It is paused. Put it right with this command, and take it in with --activate."
            )
        sys.exit(1)

    def _complete(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Fill in what a new pool needs and was not said."""
        settings = {"seconds": _SECONDS, "sizes": _SIZES, **settings}
        if "model_names" not in settings and "driver" in settings:
            settings["model_names"] = self._discovered(name, settings)
        for needed, option in (("driver", "driver"), ("slots", "slots"), ("model_names", "models")):
            if needed not in settings:
                raise CommandError(f"A new pool needs --{option}.")
        return settings

    def _discovered(self, name: str, settings: dict[str, Any]) -> list[str]:
        """Ask the server which models it has."""
        fields = {
            key: value for key, value in settings.items() if key not in {"key", "webhook_secret"}
        }
        pool = Pool(name=name, **fields)
        pool.sealed_key = sealing.seal(settings.get("key", ""))
        try:
            models = registry.backend(pool.driver).health(orders.site_of(pool)).models
        except (BackendError, KeyError) as error:
            raise CommandError(
                f"The server's models cannot be asked for: {error}. Name them: --models."
            ) from error
        if not models:
            raise CommandError("The server does not say which models it has. Name them: --models.")
        self.stdout.write(f"The server has: {', '.join(models)}.")
        return list(models)

    def _settings(self, options: dict[str, Any]) -> dict[str, Any]:
        plain = {
            "driver": "driver",
            "profile": "profile",
            "url": "url",
            "slots": "slots",
            "credits_per_second": "credits_per_second",
            "speed": "declared_speed",
            "polls_per_second": "polls_per_second",
            "image_input": "image_input",
            "can_remix": "can_remix",
        }
        found = {field: options[name] for name, field in plain.items() if options[name] is not None}
        lists = {"models": "model_names", "sizes": "sizes", "result_hosts": "result_hosts"}
        for name, field in lists.items():
            if options[name] is not None:
                found[field] = _words(options[name])
        if options["seconds"] is not None:
            found["seconds"] = [_whole(word) for word in _words(options["seconds"])]
        if options["field_map"] is not None:
            found["field_map"] = dict(_pair(word) for word in _words(options["field_map"]))
        if (key := _secret(options["key"], options["key_file"])) is not None:
            found["key"] = key
        if (secret := _secret(None, options["webhook_secret_file"])) is not None:
            found["webhook_secret"] = secret
        return found


def _name_image_input(name: str, settings: dict[str, Any]) -> None:
    """Put the driver's usual name where none was given."""
    if settings.get("image_input") != _DRIVERS_OWN:
        return
    known = Pool.objects.filter(name=name).values_list("driver", flat=True).first()
    driver = settings.get("driver", known)
    if driver in registry.drivers():
        settings["image_input"] = registry.backend(driver).capabilities.image_input or _DRIVERS_OWN


def tell(command: BaseCommand, pool: Pool) -> bool:
    """Try a pool's server and print what was found; say whether all is well."""
    is_well = True
    for finding in pool_checks.check(pool):
        mark = "ok " if finding.is_ok else "NOT"
        command.stdout.write(f"  {mark} {finding.sentence}")
        is_well &= finding.is_ok
    return is_well


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _pair(word: str) -> tuple[str, str]:
    ours, mark, theirs = word.partition("=")
    if not mark:
        raise CommandError(f"--field-map: {word!r} is no OURS=THEIRS.")
    return ours.strip(), theirs.strip()


def _whole(word: str) -> int:
    if not word.isdecimal():
        raise CommandError(f"--seconds: {word!r} is no whole number.")
    return int(word)


def _secret(given: str | None, path: Path | None) -> str | None:
    if path is not None:
        try:
            return path.read_text().strip()
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    return sys.stdin.readline().strip() if given == "-" else given

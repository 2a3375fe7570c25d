"""Takes a second factor away whose owner has lost the phone and the recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from videogen.accounts import second_factor
from videogen.accounts.models import User


class Command(BaseCommand):
    help = (
        "Forget somebody's second factor and sign them out everywhere: the password opens the account until they set up"
        " another one. First make sure by another way that it is they who ask."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the address that they sign in with")

    def handle(self, *_: Any, email: str, **__: Any) -> None:
        try:
            user = User.objects.get_by_natural_key(email)
        except User.DoesNotExist:
            raise CommandError(f"Nobody has the address {email}.") from None
        if not second_factor.forget(user):
            raise CommandError(f"{user.email} has no second factor.")
        self.stdout.write(f"{user.email}: the second factor is forgotten; signed out everywhere.")

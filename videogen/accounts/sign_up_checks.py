"""What is checked of somebody new on every way in, pages and apps alike."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest

from videogen.accounts.models import User


class SignUpChecks(forms.Form):
    """The base of allauth's own forms. Apps name the password `password`; pages check theirs already."""

    def clean(self) -> dict[str, Any]:
        """Refuse a password that is much like the address."""
        data = super().clean() or {}
        password, email = data.get("password"), data.get("email")
        if password and email:
            try:
                validate_password(password, User(email=email))
            except forms.ValidationError as faults:
                self.add_error("password", faults)
        return data

    def signup(self, request: HttpRequest, user: User) -> None:
        """Nothing more to store."""

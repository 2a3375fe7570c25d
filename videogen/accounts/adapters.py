"""What is ours in signing up and in: the account that jobs are charged to, mail, words, sealed secrets."""

import logging
from collections.abc import Mapping
from smtplib import SMTPException
from typing import Any
from uuid import UUID

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import Provider, ProviderAccount
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string

from jobs import accounts, client_addresses, days
from jobs.requests import InvalidFields
from notifications import deliveries, sealing
from videogen.accounts.models import User

logger = logging.getLogger(__name__)

_TIER = "free"
_A_CODE = "A code to prove an address"
# Where people are who do not say.
_NOWHERE = "UTC"


def _zone_of(request: HttpRequest) -> str:
    """Give the time zone that the browser names; people change it on their page."""
    try:
        return days.zone(request.POST.get("time_zone") or _NOWHERE).key
    except InvalidFields:
        return _NOWHERE


def _reader_of(email: str, context: Mapping[str, Any]) -> UUID | None:
    """Give whose account a mail is about; None for an address that nobody has here."""
    if isinstance(user := context.get("user"), User):
        return user.pk
    addresses = EmailAddress.objects.filter(email__iexact=email).order_by("-verified", "id")
    found: UUID | None = addresses.values_list("user_id", flat=True).first()
    return found


class AccountAdapter(DefaultAccountAdapter):
    """People who sign up by themselves get the free tier."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "This email and password do not match. Check both and try again.",
        "too_many_login_attempts": "Too many tries. Wait a few minutes, or set a new password.",
        "rate_limited": "Too many tries. Wait a minute and try again.",
        "incorrect_code": "This code does not match. Check the mail, or ask for a new code.",
        "incorrect_password": "This is not your password. Try again.",
        "account_inactive": "This account is closed.",
        "same_as_current": "This is your address already. Type another one.",
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        """Give the address that a device is shown with."""
        return client_addresses.address_of(request) or str(super().get_client_ip(request))

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say whether people make their accounts themselves."""
        return bool(settings.SIGN_UP_OPEN)

    def save_user(
        self,
        request: HttpRequest,
        user: User,
        form: BaseForm,
        commit: bool = True,  # noqa: FBT001, FBT002 - the base class calls it so
    ) -> User:
        """Store somebody new with an open account, both or neither."""
        with transaction.atomic():
            super().save_user(request, user, form, commit=False)
            user.email = user.email.lower()
            user.time_zone = _zone_of(request)
            if commit:
                user.save()
                accounts.open_account(user.id, tier=_TIER)
        return user

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """Write a mail as text, and the same text as a page."""
        found = super().render_mail(template_prefix, email, context, headers)
        page = render_to_string(
            "mail/account.html",
            {
                "subject": found.subject,
                "code": context.get("code", ""),
                "paragraphs": [part.strip() for part in str(found.body).split("\n\n")],
            },
        )
        message = EmailMultiAlternatives(
            found.subject, found.body, found.from_email, found.to, headers=headers
        )
        message.attach_alternative(page, "text/html")
        return message

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail and note it for its reader.

        A post office that is away stops nobody: the page offers to send it again.
        """
        shown = {
            "request": self.request,
            "email": email,
            "current_site": get_current_site(self.request),
            **context,
        }
        message = self.render_mail(template_prefix, email, shown)
        refusal = ""
        if not settings.EMAIL_BACKEND:
            refusal = "This server sends no mail: EMAIL_URL is not set."
            logger.error("mail_not_sent", extra={"mail": template_prefix, "reason": refusal})
        else:
            try:
                message.send()
            except (SMTPException, OSError):
                refusal = "The mail server did not take it."
                logger.exception("mail_not_sent", extra={"mail": template_prefix})
        if reader := _reader_of(email, context):
            # The code itself is for the mail alone.
            title = _A_CODE if context.get("code") else str(message.subject)
            deliveries.note_account_mail(reader, title=title, refusal=refusal)


class RemovedProvider(Provider):
    """What is left of another place that is set up no more: a name. Nobody gets in by it."""

    uses_apps = False
    account_class = ProviderAccount

    def __init__(self, request: HttpRequest, name: str) -> None:
        super().__init__(request)
        self.id = self.name = name

    def redirect(self, request: HttpRequest, process: str, **_: Any) -> HttpResponse:
        """Raises Http404."""
        raise Http404


class ProviderRemoved(SocialApp.DoesNotExist, ValueError):
    """A sign-in goes on, or is asked for, at another place that is set up no more. allauth expects either kind."""


class SocialAdapter(DefaultSocialAccountAdapter):
    """Somebody who comes from another place gets an account like everybody."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[Any]:
        """Give what the environment sets up. The library's table of them, with open secrets, counts for nothing."""
        found = super().list_apps(request, provider=provider, client_id=client_id)
        return [app for app in found if app.pk is None]

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Provider:
        """Give a provider, or the name of one that was removed, as links to it still have it.

        Raises ProviderRemoved where a sign-in needs it.
        """
        try:
            return super().get_provider(request, provider, client_id=client_id)
        except SocialApp.DoesNotExist:
            if client_id is None:
                return RemovedProvider(request, provider)
            raise ProviderRemoved from None

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Say whether people make their accounts themselves."""
        return bool(settings.SIGN_UP_OPEN)

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """Store somebody new with an open account, both or neither."""
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            accounts.open_account(user.id, tier=_TIER)
        return user


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets of second factors are sealed, so that a copy of the database makes no codes."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code does not match. Codes change every 30 s; try the next one.",
    }

    def encrypt(self, text: str) -> str:
        """Seal a secret."""
        return sealing.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open a sealed secret."""
        return sealing.unseal(encrypted_text)

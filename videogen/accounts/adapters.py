"""What is ours in signing up and in: the account that jobs are charged to, mail, words, sealed secrets."""

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest
from django.template.loader import render_to_string

from jobs import accounts
from notifications import sealing
from videogen.accounts.models import User

logger = logging.getLogger(__name__)

_TIER = "free"


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
        """Send a mail. A post office that is away stops nobody: the page offers to send it again."""
        if not settings.EMAIL_BACKEND:
            logger.error(
                "mail_not_sent", extra={"mail": template_prefix, "reason": "EMAIL_URL is not set"}
            )
            return
        try:
            super().send_mail(template_prefix, email, context)
        except (SMTPException, OSError):
            logger.exception("mail_not_sent", extra={"mail": template_prefix})


class SocialAdapter(DefaultSocialAccountAdapter):
    """Somebody who comes from another place gets an account like everybody."""

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

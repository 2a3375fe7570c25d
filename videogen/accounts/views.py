"""Signing in, up and out in the browser: allauth's steps, behind our shield and in our look."""

from typing import Any, Final

from allauth.account import views as entrance
from allauth.account.forms import LoginForm
from django.conf import settings
from django.utils.decorators import method_decorator

from videogen.accounts import demo
from videogen.throttling import sign_in_shield

_shielded: Final = method_decorator(sign_in_shield, name="dispatch")


class SignInForm(LoginForm):
    """E-mail address and password; browsers know the address as `username`."""

    def add_prefix(self, field_name: str) -> str:
        """Give the name of a field in the page."""
        return str(super().add_prefix("username" if field_name == "login" else field_name))


@_shielded
class SignIn(entrance.LoginView):
    template_name = "accounts/sign_in.html"
    form_class = SignInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Offer the demo accounts on a developer's own machine."""
        accounts = demo.accounts() if settings.DEVELOPMENT else []
        return {**super().get_context_data(**kwargs), "demo_accounts": accounts}


class SignOut(entrance.LogoutView):
    http_method_names = ["post", "options"]


@_shielded
class SignUp(entrance.SignupView):
    """Answers the same whether the address has an account or not."""


@_shielded
class EmailCode(entrance.ConfirmEmailVerificationCodeView):
    """Takes the code of the mail."""


@_shielded
class ForgottenPassword(entrance.PasswordResetView):
    """Answers the same whether the address has an account or not."""


@_shielded
class ResetCode(entrance.ConfirmPasswordResetCodeView):
    """Takes the code of the mail."""


@_shielded
class Reauthenticate(entrance.ReauthenticateView):
    """Asks for the password again before something that a stolen session must not do."""

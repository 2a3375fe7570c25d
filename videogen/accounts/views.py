"""Signing in and out in the browser."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.utils.decorators import method_decorator

from videogen.accounts import demo
from videogen.throttling import sign_in_shield


@method_decorator(sign_in_shield, name="dispatch")
class SignIn(LoginView):
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Offer the demo accounts on a developer's own machine."""
        accounts = demo.accounts() if settings.DEVELOPMENT else []
        return super().get_context_data(**kwargs, demo_accounts=accounts)


class SignOut(LogoutView):
    http_method_names = ["post", "options"]

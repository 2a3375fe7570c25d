"""Addresses of the pages for signing up, signing in and looking after an account."""

from allauth.account import views as entrance
from allauth.mfa.base import views as second_step
from allauth.urls import build_provider_urlpatterns
from django.urls import include, path

from videogen.accounts import data_page, pages, push_page, second_factor, views
from videogen.throttling import sign_in_shield

# The names are those that allauth redirects to; `sign_in` and `sign_out` are ours for the same two.
urlpatterns = [
    path("sign-in", views.SignIn.as_view(), name="sign_in"),
    path("sign-in", views.SignIn.as_view(), name="account_login"),
    path("sign-out", views.SignOut.as_view(), name="sign_out"),
    path("sign-out", views.SignOut.as_view(), name="account_logout"),
    path("sign-in/closed", entrance.account_inactive, name="account_inactive"),
    path("sign-in/with/", include("allauth.socialaccount.urls")),
    path("sign-in/with/", include(build_provider_urlpatterns())),
    path("sign-up", views.SignUp.as_view(), name="account_signup"),
    path("sign-up/code", views.EmailCode.as_view(), name="account_email_verification_sent"),
    path("password/forgotten", views.ForgottenPassword.as_view(), name="account_reset_password"),
    path("password/code", views.ResetCode.as_view(), name="account_confirm_password_reset_code"),
    path("password/new", entrance.complete_password_reset, name="account_complete_password_reset"),
    path(
        "password/done",
        entrance.password_reset_from_key_done,
        name="account_password_reset_completed",
    ),
    path("account", pages.account, name="account"),
    path("account/password", entrance.password_change, name="account_change_password"),
    path("account/password/first", entrance.password_set, name="account_set_password"),
    path("account/email", entrance.email, name="account_email"),
    path("account/confirm", views.Reauthenticate.as_view(), name="account_reauthenticate"),
    # Before allauth's own, which have no limit that outlives Redis.
    path(
        "account/two-factor/authenticate/",
        sign_in_shield(second_step.authenticate),
        name="mfa_authenticate",
    ),
    path(
        "account/two-factor/reauthenticate/",
        sign_in_shield(second_step.reauthenticate),
        name="mfa_reauthenticate",
    ),
    path(
        "account/two-factor/totp/activate/",
        sign_in_shield(second_factor.SetUp.as_view()),
        name="mfa_activate_totp",
    ),
    path("account/two-factor/", include("allauth.mfa.urls")),
    path("account/data", data_page.data, name="own_data"),
    path("account/data/copy", data_page.copy, name="own_data_copy"),
    path("account/devices", pages.devices, name="devices"),
    path("account/push", push_page.push, name="push"),
    path("account/keys", pages.keys, name="keys"),
]

"""Who people are: users, sign-in, API keys."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "videogen.accounts"
    label = "accounts"

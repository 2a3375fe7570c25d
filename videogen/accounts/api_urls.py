"""Addresses of the native API of keys, and of signing in for apps."""

from django.urls import include, path

from videogen.accounts import api

urlpatterns = [
    path("keys", api.Keys.as_view(), name="api_keys"),
    path("keys/<uuid:key_id>", api.OneKey.as_view(), name="api_key"),
    path("keys/<uuid:key_id>/rotation", api.Rotation.as_view(), name="api_key_rotation"),
    path("auth/", include("videogen.accounts.headless")),
]

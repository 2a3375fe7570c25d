"""Addresses of the native API of keys, and of signing in for apps."""

from django.urls import include, path

from videogen.accounts import api, own_data

urlpatterns = [
    path("keys", api.Keys.as_view(), name="api_keys"),
    path("keys/<uuid:key_id>", api.OneKey.as_view(), name="api_key"),
    path("keys/<uuid:key_id>/rotation", api.Rotation.as_view(), name="api_key_rotation"),
    path("account/export", own_data.Export.as_view(), name="api_export"),
    path("account/export/content", own_data.ExportContent.as_view(), name="api_export_content"),
    path("account/deletion", own_data.Deletion.as_view(), name="api_deletion"),
    path("auth/", include("videogen.accounts.headless")),
]

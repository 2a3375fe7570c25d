"""Users and their keys, for administrators."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from notifications.records import Reasoned, Records, WithReason
from videogen.accounts.models import ApiKey, User


class UserForm(WithReason, UserChangeForm):  # type: ignore[misc]  # unfold has no types
    """A user, and why the record is changed."""


@admin.register(User)
class UserAdmin(Reasoned, DjangoUserAdmin):  # type: ignore[type-arg, misc]  # the two bases agree at run time
    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "is_active", "is_staff", "joined_at")
    list_filter = ("is_active", "is_staff")
    search_fields = ("=email",)
    fieldsets = (
        (None, {"fields": ("email", "password", "time_zone")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("For the log", {"fields": ("reason",)}),
    )
    add_fieldsets = ((None, {"fields": ("email", "password1", "password2")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Money and history hang on a user: deactivate instead."""
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(Reasoned):
    list_display = ("prefix", "name", "user", "created_at", "expires_at", "revoked_at")
    fields = ("prefix", "name", "user", "created_at", "expires_at", "revoked_at", "reason")
    readonly_fields = ("prefix", "name", "user", "created_at")
    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A key is made where its secret can be shown once."""
        return False


@admin.register(LogEntry)
class ChangeLog(Records):
    """Who changed what, when, and why."""

    list_display = ("action_time", "user", "content_type", "object_repr", "get_change_message")
    list_select_related = ("user", "content_type")
    ordering = ("-id",)

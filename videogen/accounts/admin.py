"""Users, their keys and suspensions, for administrators."""

from typing import Any
from uuid import UUID

from allauth.socialaccount.models import SocialApp
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from notifications.records import Reasoned, ReasonForm, Records, WithReason
from videogen.accounts import keys, suspensions
from videogen.accounts.models import ApiKey, Suspension, User


class UserForm(WithReason, UserChangeForm):  # type: ignore[misc]  # unfold has no types
    """A user, and why the record is changed."""


@admin.register(User)
class UserAdmin(Reasoned, DjangoUserAdmin):  # type: ignore[type-arg, misc]  # the two bases agree at run time
    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "is_active", "is_staff", "joined_at", "suspended")
    list_filter = ("is_active", "is_staff", ("suspension", admin.EmptyFieldListFilter))
    list_select_related = ("suspension",)
    search_fields = ("=email",)
    fieldsets = (
        (None, {"fields": ("email", "password", "time_zone", "suspended")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("For the log", {"fields": ("reason",)}),
    )
    readonly_fields = ("suspended",)
    add_fieldsets = ((None, {"fields": ("email", "password1", "password2")}),)
    action_form = ReasonForm
    actions = ["suspend", "lift_suspension"]

    @admin.display(description="suspended", empty_value="no")
    def suspended(self, user: User) -> str | None:
        """Give the reason of the suspension in force."""
        return user.suspension.reason if user.suspension else None

    @admin.action(
        description="Suspend: refuse at once, withdraw what waits", permissions=["change"]
    )
    def suspend(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Close the chosen accounts."""
        self._each(request, chosen, suspensions.suspend, said="suspended")

    @admin.action(description="Lift the suspension", permissions=["change"])
    def lift_suspension(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """Open the chosen accounts again."""
        self._each(request, chosen, suspensions.lift, said="suspension lifted")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001 - the base class calls it so
        """Make somebody new with an open account and a known address."""
        if change:
            super().save_model(request, obj, form, change)
        else:
            User.objects.admit(obj, tier="free")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Money and history hang on a user: deactivate instead."""
        return False

    def _each(self, request: HttpRequest, chosen: QuerySet[User], move: Any, *, said: str) -> None:
        reason = request.POST.get("reason", "")
        for user in chosen:
            try:
                move(user, reason=reason, by=request.user)
            except suspensions.SuspensionRefused as refusal:
                self.message_user(request, str(refusal), messages.WARNING)
            else:
                LogEntry.objects.log_actions(
                    UUID(str(request.user.pk)),
                    [user],
                    CHANGE,
                    change_message=f"{said}: {reason}",
                    single_object=True,
                )
                self.message_user(request, f"{user.email}: {said}.", messages.SUCCESS)


@admin.register(Suspension)
class SuspensionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """The record. Actions on users write it."""

    list_display = (
        "user",
        "reason",
        "began_at",
        "began_by",
        "emptied_at",
        "lifted_at",
        "lifted_by",
    )
    list_select_related = ("user", "began_by", "lifted_by")
    search_fields = ("=user__email",)
    ordering = ("-began_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Suspensions begin by an action on a user."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A record is not written over."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A record is not erased."""
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(Records):
    list_display = ("prefix", "name", "user", "scopes", "created_at", "last_used_at", "expires_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_owner = "user_id"
    list_select_related = ("user",)
    actions = ["revoke"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Revoking is for those who may change keys, though no field can be edited."""
        return request.user.has_perm("accounts.change_apikey")

    @admin.action(description="Revoke: refuse at once", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        """End the chosen keys."""
        for key in chosen:
            keys.revoke(key.id, user_id=key.user_id)
            self.message_user(request, f"{key.prefix}: revoked.", messages.SUCCESS)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Keys are revoked, and never deleted."""
        return {
            name: action
            for name, action in super().get_actions(request).items()
            if name != "delete_selected"
        }

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A key is made where its secret can be shown once."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a key may do is settled when it is made."""
        return False


@admin.register(LogEntry)
class ChangeLog(Records):
    """Who changed what, when, and why."""

    list_display = ("action_time", "user", "content_type", "object_repr", "get_change_message")
    list_select_related = ("user", "content_type")
    ordering = ("-id",)


# Other places to sign in with are set up in the environment only.
admin.site.unregister(SocialApp)
# The library's own searches by a name that users do not have here.
admin.site.unregister(UserSession)


@admin.register(UserSession)
class DeviceAdmin(Records):
    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_owner = "user_id"

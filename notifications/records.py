"""How operators read tables of any size: no exact counts, searches that an index answers, nothing edited by hand."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db import connection, models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

# Up to here rows are counted; beyond, the planner's estimate of the table is good enough.
_COUNTED: Final = 1_000
_MOST_COLUMNS: Final = 8
# Whoever has one of these at hand looks for its rows; all are indexed, or their tables are small.
_LOOKED_UP: Final = frozenset({"id", "job", "job_id", "owner", "owner_id"})
_ESTIMATE: Final = "select greatest(reltuples, 0)::bigint from pg_class where oid = %s::regclass"


class EstimatedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Pages without an exact count: a few rows are counted, many are estimated."""

    @cached_property
    def count(self) -> int:
        """Give the number of rows, or about that."""
        rows: Any = self.object_list
        counted = rows.order_by()[: _COUNTED + 1].count()
        if counted <= _COUNTED or rows.query.where:
            return int(counted)
        with connection.cursor() as cursor:
            cursor.execute(_ESTIMATE, [rows.model._meta.db_table])
            (estimate,) = cursor.fetchone()
        return max(int(counted), int(estimate))


class ReasonForm(ActionForm):  # type: ignore[misc]  # unfold has no types
    """What to do with the chosen rows, and why."""

    reason = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "Why? It is logged.", "aria-label": "Why"}),
    )


class Records(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Rows that only the domain writes."""

    show_full_result_count = False
    list_per_page = 50
    paginator = EstimatedPaginator
    action_form = ReasonForm
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    # Columns that a search compares: with an id, with the owner of an e-mail address, with any other text.
    search_ids: ClassVar[tuple[str, ...]] = ()
    search_owner: ClassVar[str] = ""
    search_exact: ClassVar[tuple[str, ...]] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Show the search where there is something to search."""
        found = (*self.search_ids, self.search_owner, *self.search_exact)
        return tuple(filter(None, found))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Compare whole values, so that an index answers however many rows there are."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = Q(pk__in=[])
        for field in self.search_exact:
            wanted |= Q(**{field: term})
        if self.search_owner and "@" in term:
            people = get_user_model().objects.filter(email=term.lower())
            wanted |= Q(**{f"{self.search_owner}__in": list(people.values_list("pk", flat=True))})
        try:
            searched = UUID(term.removeprefix("video_"))
        except ValueError:
            return queryset.filter(wanted), False
        for field in self.search_ids:
            wanted |= Q(**{field: searched})
        return queryset.filter(wanted), False

    def reason_of(self, request: HttpRequest) -> str:
        """Give why an action was asked for; says so to the operator where nothing was given."""
        reason = request.POST.get("reason", "").strip()[:200]
        if not reason:
            messages.error(request, "Nothing was done: give the reason, it is logged.")
        return reason


class WithReason(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A form that asks why."""

    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Why, for the log of changes."
    )


class Reasoned(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Rows that operators edit, each change with its reason in the log."""

    form = WithReason
    show_full_result_count = False
    list_per_page = 50
    paginator = EstimatedPaginator

    def construct_change_message(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        add: bool = False,  # noqa: FBT001, FBT002
    ) -> list[dict[str, Any]]:
        """Log the fields that changed, and the reason."""
        said = super().construct_change_message(request, form, formsets, add)
        reason = form.cleaned_data.get("reason", "")
        return [*said, {"changed": {"name": "reason", "object": f"“{reason}”", "fields": ["it"]}}]


def register_rest(*rooms: str) -> None:
    """Show every table of these applications that has no page of its own yet.

    Tables whose key is of several columns have none: the admin cannot address their rows.
    """
    for model in (model for room in rooms for model in apps.get_app_config(room).get_models()):
        if admin.site.is_registered(model) or model._meta.is_composite_pk:
            continue
        shown = [
            field.attname
            for field in model._meta.concrete_fields
            if not isinstance(field, models.TextField | models.JSONField | models.BinaryField)
        ]
        ids = [
            field.attname
            for field in model._meta.concrete_fields
            if field.name in _LOOKED_UP
            and isinstance(field, models.UUIDField | models.ForeignKey | models.OneToOneField)
        ]
        page = type(
            f"{model.__name__}Records",
            (Records,),
            {"list_display": shown[:_MOST_COLUMNS], "search_ids": tuple(ids)},
        )
        admin.site.register(model, page)

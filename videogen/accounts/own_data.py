"""The native API of what belongs to a person: a copy of their data, and deleting their account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.errors import JobError
from jobs.requests import InvalidFields
from videogen.accounts import deletions, exports, models
from videogen.accounts.access import Access

FILE_NAME: Final = "videogen-data.jsonl.gz"
_CONTENT: Final = "/api/v1/account/export/content"


class ExportNotReady(JobError):
    """There is no finished copy to fetch."""

    code = "export_not_ready"


class Export(APIView):
    """GET, POST /api/v1/account/export."""

    def get(self, request: Request) -> Response:
        """Say how far the copy of the caller's data is; `none` when nobody asked for one."""
        return Response(_export(exports.of(_user(request).pk)))

    def post(self, request: Request) -> Response:
        """Ask for a copy of everything that is kept about the caller. Within an hour it is the same one."""
        _fields(request, set())
        made = exports.request(_user(request).pk)
        return Response(_export(made), status=status.HTTP_202_ACCEPTED)


class ExportContent(APIView):
    """GET /api/v1/account/export/content."""

    def get(self, request: Request) -> HttpResponseBase:
        """Give the finished copy: lines of JSON, compressed with gzip."""
        user = _user(request)
        found = exports.of(user.pk)
        if found is None or found.finished_at is None:
            raise ExportNotReady("Ask for a copy, and fetch it when its state is finished.")
        return StreamingHttpResponse(
            exports.content(user.pk),
            content_type="application/gzip",
            headers={
                "Content-Disposition": f'attachment; filename="{FILE_NAME}"',
                "Cache-Control": "no-store",
            },
        )


class Deletion(APIView):
    """GET, POST, DELETE /api/v1/account/deletion."""

    def get(self, request: Request) -> Response:
        """Say whether the account is going to be deleted, and when."""
        return Response(_deletion(deletions.of(_user(request).pk)))

    def post(self, request: Request) -> Response:
        """Ask for the deletion of the account, with its `email`. It can be taken back until `due_at`."""
        user = _user(request)
        data = _fields(request, {"email"})
        email = data.get("email")
        if not isinstance(email, str):
            raise InvalidFields({"email": "Send the e-mail address of this account."})
        return Response(
            _deletion(deletions.request(user, email=email)), status=status.HTTP_202_ACCEPTED
        )

    def delete(self, request: Request) -> Response:
        """Keep the account."""
        _fields(request, set())
        deletions.take_back(_user(request).pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _export(found: models.Export | None) -> dict[str, Any]:
    if found is None:
        return {"state": "none", "requested_at": None, "finished_at": None, "url": None}
    is_finished = found.finished_at is not None
    return {
        "state": "finished" if is_finished else "in_progress",
        "requested_at": _stamp(found.requested_at),
        "finished_at": _stamp(found.finished_at),
        "url": _CONTENT if is_finished else None,
    }


def _deletion(found: models.Deletion | None) -> dict[str, Any]:
    return {
        "state": "scheduled" if found else "none",
        "requested_at": _stamp(found.requested_at) if found else None,
        "due_at": _stamp(found.due_at) if found else None,
    }


def _fields(request: Request, known: set[str]) -> Mapping[str, Any]:
    data = request.data or {}
    if not isinstance(data, Mapping):
        raise InvalidFields({"body": "Send a JSON object."})
    if unknown := sorted(set(data) - known):
        raise InvalidFields(
            {str(one)[:64]: "This field is not known. Remove it." for one in unknown}
        )
    return data


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _user(request: Request) -> models.User:
    found = request.auth
    if not isinstance(found, Access):
        raise NotAuthenticated
    return found.user

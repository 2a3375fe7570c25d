"""The operators of the tests: one who may only look, one who may act."""

from django.contrib.auth.models import Permission
from django.test import Client

from tests.factories import person


def member(*rights: str) -> Client:
    staff = person(f"staff{len(rights)}", tier="internal").user
    staff.is_staff = True
    staff.save()
    staff.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(staff)
    return client


def viewer() -> Client:
    return member("view_console")


def operator() -> Client:
    return member("view_console", "operate_console")

"""Which address a limit counts by, whatever the client writes about itself."""

from typing import Any

import pytest
from django.test import Client, RequestFactory

from jobs import client_addresses

PROXY, CLIENT = "10.0.0.9", "203.0.113.7"


def _counted(forwarded: str | None, *, peer: str = PROXY) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_addresses.counted_as(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counted"),
    [
        # Without proxies the header is the client's own invention.
        (0, None, PROXY),
        (0, CLIENT, PROXY),
        (0, "1.1.1.1, 2.2.2.2", PROXY),
        # The last entry is our proxy's; what stands before it was there when the request came.
        (1, CLIENT, CLIENT),
        (1, f"1.1.1.1, {CLIENT}", CLIENT),
        (1, f"1.1.1.1,2.2.2.2,127.0.0.1,{CLIENT}", CLIENT),
        (1, f"garbage, <script>, {CLIENT}", CLIENT),
        (1, f" ,,, {CLIENT} ", CLIENT),
        (2, f"1.1.1.1, {CLIENT}, 10.0.0.8", CLIENT),
        (2, f"{CLIENT}, 10.0.0.8", CLIENT),
        # It did not come through all our proxies, or they did not say.
        (2, "1.1.1.1", PROXY),
        (1, None, PROXY),
        (1, "", PROXY),
        (1, "unknown", PROXY),
        (1, f"{CLIENT}, unknown", PROXY),
        (1, f"{CLIENT},", PROXY),
        # As proxies write it.
        (1, f"{CLIENT}:51034", CLIENT),
        (1, "[2001:db8:1:2::5]:51034", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2::5", "2001:db8:1:2::/64"),
        (1, "2001:0DB8:0001:0002:ffff::1", "2001:db8:1:2::/64"),
        (1, f"::ffff:{CLIENT}", CLIENT),
        (1, "fe80::1%eth0", "fe80::/64"),
    ],
)
def test_limits_count_by_what_our_proxies_saw(
    settings: Any, proxies: int, forwarded: str | None, counted: str
) -> None:
    settings.TRUSTED_PROXIES = proxies

    assert _counted(forwarded) == counted


def test_all_addresses_of_one_line_are_one_and_those_of_the_next_are_another() -> None:
    first, second = _counted(None, peer="2001:db8::1"), _counted(None, peer="2001:db8::ffff:1")

    assert first == second
    assert _counted(None, peer="2001:db8:0:1::1") != first


@pytest.mark.django_db
def test_inventing_addresses_does_not_open_the_shield(settings: Any) -> None:
    settings.FLOOD_SIGN_INS_PER_MINUTE, settings.TRUSTED_PROXIES = 3, 1
    answers = [
        Client().post(
            "/sign-in",
            {"username": f"person{number}@example.com", "password": "wrong"},
            headers={"X-Forwarded-For": f"198.51.100.{number}, {CLIENT}"},
        )
        for number in range(4)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


@pytest.mark.django_db
def test_a_device_is_shown_with_the_address_that_our_proxy_saw(settings: Any) -> None:
    from allauth.usersessions.models import UserSession

    from tests.factories import ann

    settings.TRUSTED_PROXIES = 1
    ann()
    Client().post(
        "/sign-in",
        {"username": "ann@example.com", "password": "a long password"},
        headers={"X-Forwarded-For": f"1.1.1.1, {CLIENT}"},
    )

    assert UserSession.objects.get().ip == CLIENT

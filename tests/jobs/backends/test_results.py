"""Which addresses of results are allowed."""

import pytest

from jobs.backends.backend import Site
from jobs.backends.results import allowed

SITE = Site(
    pool="gpus",
    driver="any",
    profile="",
    url="https://gpu.example:8443/base",
    result_hosts=(
        "cdn.example",
        "*.storage.example",
        "minio.example:9000",
        "bücher.example",
        "[2001:db8::1]",
        "192.0.2.7",
    ),
)


@pytest.mark.parametrize(
    "url",
    [
        "https://gpu.example:8443/out/1.mp4?sig=%20a",
        "http://gpu.example:8443/1.mp4",
        "https://GPU.Example.:8443/1.mp4",
        "https://cdn.example/1.mp4",
        "http://cdn.example:80/1.mp4",
        "https://cdn.example.:443/1.mp4",
        "https://a.storage.example/1.mp4",
        "https://a.b.storage.example/1.mp4#t=1",
        "http://minio.example:9000/1.mp4",
        "https://xn--bcher-kva.example/1.mp4",
        "https://[2001:db8:0:0::1]/1.mp4",
        "https://192.0.2.7/1.mp4",
    ],
)
def test_the_server_and_the_named_hosts_are_allowed(url: str) -> None:
    assert allowed(url, SITE)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "1.mp4",
        "/1.mp4",
        "//cdn.example/1.mp4",
        "ftp://cdn.example/1.mp4",
        "file:///etc/passwd",
        "javascript:alert(1)//cdn.example",
        "data:video/mp4;base64,AAAA",
        "http://169.254.169.254/latest/meta-data/",
        "https://other.example/1.mp4",
        # Another port of an allowed host is another service.
        "https://gpu.example/1.mp4",
        "https://gpu.example:22/1.mp4",
        "https://cdn.example:8080/1.mp4",
        "https://minio.example/1.mp4",
        "https://cdn.example:0/1.mp4",
        "https://cdn.example:99999/1.mp4",
        "https://cdn.example:x/1.mp4",
        # Credentials, and what they hide.
        "https://cdn.example@evil.example/1.mp4",
        "https://user:password@cdn.example/1.mp4",
        "https://@cdn.example/1.mp4",
        # Near misses.
        "https://evilcdn.example/1.mp4",
        "https://cdn.example.evil.example/1.mp4",
        "https://storage.example/1.mp4",
        "https://evilstorage.example/1.mp4",
        "https://.storage.example/1.mp4",
        "https://cdn.example../1.mp4",
        # What different readers of addresses read differently.
        "https://cdn.example\\@evil.example/1.mp4",
        "https://evil.example\\.cdn.example/1.mp4",
        "https://cdn.example\t/1.mp4",
        "\nhttps://cdn.example/1.mp4",
        "https://cdn.example /1.mp4",
        "https://ｃdn.example/1.mp4",
        "https://bücher.example/1.mp4",
        "https://cdn%2eexample/1.mp4",
        "https://cdn.example\x00/1.mp4",
        # Other spellings of numbers.
        "https://[2001:db8::2]/1.mp4",
        "https://[2001:db8::1%25eth0]/1.mp4",
        "https://[::ffff:192.0.2.7]/1.mp4",
        "https://3221225991/1.mp4",
        "https://0300.0.2.7/1.mp4",
        "https://[/1.mp4",
        "https:///1.mp4",
        "https://",
        "https://cdn.example/" + "a" * 5000,
    ],
)
def test_everything_else_is_not(url: str) -> None:
    assert not allowed(url, SITE)


def test_a_server_without_a_name_allows_nothing_of_its_own() -> None:
    nowhere = Site(pool="gpus", driver="any", profile="", url="", result_hosts=("", "*.", "*", "["))

    for url in ("https:///x", "https://x/", "https://./x", "http://*/"):
        assert not allowed(url, nowhere)

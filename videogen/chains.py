"""What a request passes on its way to a view, outermost first; `handlers` says who takes which chain."""

from typing import Final

# Pages, and whoever comes with a cookie.
MIDDLEWARE: Final = [
    "videogen.http_metrics.RequestMetricsMiddleware",
    "videogen.request_ids.RequestIdMiddleware",
    "videogen.unread_bodies.UnreadBodyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "videogen.compressed.CompressedFilesMiddleware",
    "videogen.compressed.CompressedPagesMiddleware",
    "videogen.content_security.ContentSecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "videogen.accounts.middleware.SuspensionMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "videogen.accounts.second_factor.StaffMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "videogen.rate_policy.RateLimitPolicyMiddleware",
]
# API calls that show `Authorization`.
CALL_MIDDLEWARE: Final = [
    "videogen.http_metrics.RequestMetricsMiddleware",
    "videogen.request_ids.RequestIdMiddleware",
    "videogen.unread_bodies.UnreadBodyMiddleware",
    "videogen.handlers.CallMiddleware",
    "videogen.rate_policy.RateLimitPolicyMiddleware",
]

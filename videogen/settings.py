"""Every setting of the project, in sections. What differs between machines is an environment variable."""

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONCE

from videogen import database, env, log_settings, safe_start, third_party
from videogen.accounts import sign_in
from videogen.accounts.sign_in import *  # noqa: F403 - settings of sign-up, sign-in and second factors
from videogen.chains import CALL_MIDDLEWARE, MIDDLEWARE  # what a request passes on its way
from videogen.pushes import *  # noqa: F403 - settings of pushes to browsers and phones

# --- Identity and addresses

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / ".data"))).resolve()
# On a developer's own machine only: cookies travel over plain HTTP, and loopback is a public address.
DEVELOPMENT = env.flag("DEVELOPMENT")
DEBUG = False
SECRET_KEY = env.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
# Keys that seal backends' secrets in the database, the newest first.
SEALING_KEYS = env.words("SEALING_KEYS") or [SECRET_KEY, *SECRET_KEY_FALLBACKS]
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost" if DEVELOPMENT else "")
# Where browsers reach us; result addresses are made absolute with it.
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
PUSH_PORT = env.port("PUSH_PORT", 8001)
METRICS_PORT = env.port("METRICS_PORT", 8002)
METRICS_HOST = env.text("METRICS_HOST", "127.0.0.1")
# Every process offers the metrics of its container at that port; the first that has it serves them.
METRICS_OFFERED = env.flag("METRICS_OFFERED")
# Addresses that are asked whether a process lives, each as name=url.
PROBED_URLS = env.words("PROBED_URLS")
# Where browsers reach the push process; empty means the same host name at PUSH_PORT.
PUSH_URL = env.text("PUSH_URL", "")
PROCESS = env.text("PROCESS_NAME", "process")
READY_FILE = env.text("READY_FILE", "")

# --- Applications

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    *sign_in.APPLICATIONS,
    "channels",
    "csp",
    "django_prometheus",
    "django_ratelimit",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "videogen",
    "videogen.accounts",
    "scheduler",
    "jobs",
    "notifications",
]
ROOT_URLCONF = "videogen.urls"
WSGI_APPLICATION = "videogen.wsgi.application"
ASGI_APPLICATION = "videogen.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "videogen.pages.page",
            ],
        },
    },
]

# --- Language and time

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# --- Database: PostgreSQL is the queue and the truth

DATABASES = {
    "default": {
        "ENGINE": "videogen.postgresql",
        **env.database("DATABASE_URL"),
        "CONN_MAX_AGE": env.integer("DATABASE_MAX_AGE_SECONDS", 600),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**database.options(PROCESS), **env.database_tls("DATABASE_URL")},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: a doorbell, a channel layer, a cache; never the only place of anything

REDIS_URL = env.redis("REDIS_URL")
CACHES = {
    # Without Redis it knows nothing and says no error.
    "default": {
        "BACKEND": "videogen.forgiving_cache.ForgivingCache",
        "LOCATION": f"{REDIS_URL}/2",
        "OPTIONS": {"socket_timeout": 0.3, "socket_connect_timeout": 0.3},
    },
    # The flood shield counts in the process: a Redis outage must neither open nor close it.
    "throttling": {
        "BACKEND": "videogen.counting_cache.CountingCache",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    },
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "videogen.channel_layer.PatientLayer",
        # Blocking reads have no timeout: an idle socket must live for days.
        "CONFIG": {"hosts": [{"address": f"{REDIS_URL}/1", "socket_timeout": None}]},
    },
}

# --- Celery: messages that say "look"

CELERY_BROKER_URL = f"{REDIS_URL}/0"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "upkeep"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
# GPU workers fetch nothing ahead (`gpu_worker`); upkeep does, as its tasks are short.
CELERY_WORKER_PREFETCH_MULTIPLIER = 4
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 25,
    # A copy of each message in Redis until it is acknowledged, four round trips, would bring back after an hour what
    # a killed worker took. What is lost is rung again within seconds.
    "ack_emulation": False,
}
# A task leaves its thread's connection to the next one (`videogen/celery.py`): a new one costs more than statements.
CELERY_DB_REUSE_MAX = 10**9
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat")

# --- Jobs

# An attempt keeps its slot this long after its last heartbeat; workers give up at two thirds of it.
LEASE_SECONDS = env.number("LEASE_SECONDS", 30)
HEARTBEAT_SECONDS = env.number("HEARTBEAT_SECONDS", 10)
# A generation server may be away for so long before its jobs are tried elsewhere.
BACKEND_AWAY_SECONDS = env.number("BACKEND_AWAY_SECONDS", 90)
MAX_ATTEMPTS = env.integer("MAX_ATTEMPTS", 3, least=1)
# The answer of an idempotency key is kept this long: 7 days. Its job refuses a second charge for ever.
IDEMPOTENCY_KEPT_SECONDS = 7 * 86_400
# Images that videos begin from are kept this long after their last use and the end of their jobs: 2 days.
INPUT_IMAGES_KEPT_SECONDS = 2 * 86_400
# Who judges prompts before they are accepted, as a dotted path (jobs/moderation.py); empty: nobody.
MODERATION = env.text("MODERATION", "")
MODERATION_SECONDS = env.number("MODERATION_SECONDS", 2)
# What a moderator that breaks or hangs means: closed (503, try again) or open (accepted).
MODERATION_FAILS = env.choice("MODERATION_FAILS", ("closed", "open"))
# Where generations in our own workers put their files, and how browsers address them.
PREVIEW_ROOT = DATA_DIR / "previews"
PREVIEW_URL = f"{PUBLIC_URL}/previews"
# Weights of models that run in our own workers: a folder for each, as diffusers saves them.
WEIGHTS_ROOT = Path(env.text("WEIGHTS_ROOT", str(DATA_DIR / "weights")))
# The keys that fal signs its webhooks with stand apart from its queue.
FAL_KEY_SET_URL = env.text("FAL_KEY_SET_URL", "https://rest.alpha.fal.ai/.well-known/jwks.json")

# --- Events

OUTBOX_SUBSCRIPTIONS = "videogen.subscriptions"
ANNOUNCEMENTS = "videogen.announcements"
# Private networks that users' webhooks may reach, such as 10.20.0.0/16; public addresses need no entry.
OUTBOUND_ALLOWED_NETWORKS = env.networks("OUTBOUND_ALLOWED_NETWORKS")
# A try that nobody wrote down within so many seconds is made again; longer than any try takes.
COURIER_CLAIM_SECONDS = env.number("COURIER_CLAIM_SECONDS", 60)
# Deliveries that ended, with their logs, are listed for so many days.
DELIVERIES_KEPT_DAYS = env.days("DELIVERIES_KEPT_DAYS", 30)
# The notification centre goes so far back.
NOTIFICATIONS_KEPT_DAYS = env.days("NOTIFICATIONS_KEPT_DAYS", 90)

# --- Mail

EMAIL_BACKEND, _mail = env.mail("EMAIL_URL")
EMAIL_HOST = _mail.get("HOST", "")
EMAIL_PORT = int(_mail.get("PORT", "25"))
EMAIL_HOST_USER = _mail.get("USER", "")
EMAIL_HOST_PASSWORD = _mail.get("PASSWORD", "")
EMAIL_USE_TLS = _mail.get("TLS") == "starttls"
EMAIL_USE_SSL = _mail.get("TLS") == "tls"
EMAIL_FILE_PATH = _mail.get("FOLDER", "")
EMAIL_TIMEOUT = 10
# Everybody may make an account, where mail with the code can reach them; else an administrator makes them.
SIGN_UP_OPEN = env.flag("SIGN_UP_OPEN", default=DEVELOPMENT or bool(EMAIL_BACKEND))
# For providers by way of anymail: POSTMARK_SERVER_TOKEN=..., MAILGUN_API_KEY=...
ANYMAIL = dict(pair.split("=", 1) for pair in env.words("ANYMAIL_SETTINGS") if "=" in pair)
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", "videogen@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Accounts and the API

# What a stream's caller was let in by, and who of them may not listen any more.
CALLER_CREDENTIAL = "videogen.accounts.standing.credential_of"
CALLER_STANDING = "videogen.accounts.standing.refused"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Names of models of OpenAI's withdrawn API. Where no pool has one, it means the default model.
MODELS_OF_OPENAI = env.words("MODELS_OF_OPENAI", "sora-2,sora-2-pro")
AUTHENTICATION_BACKENDS = ["videogen.accounts.backends.SignInBackend"]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "studio"
LOGOUT_REDIRECT_URL = "sign_in"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "videogen.accounts.authentication.ApiKeyAuthentication",
        "videogen.accounts.authentication.SessionTokenAuthentication",
        "videogen.accounts.authentication.PageAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["jobs.json_bytes.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["jobs.bodies.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "jobs.negotiation.Negotiation",
    # OPTIONS describes nothing: it is refused like any verb that is not there.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "videogen.problems.render",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = third_party.SPECTACULAR_SETTINGS
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
FILE_UPLOAD_HANDLERS = ["jobs.bodies.ImageOfForm"]
# Submissions a minute from one address or key before the flood shield answers 429: ten times what a plan allows.
FLOOD_SUBMITS_PER_MINUTE = env.integer("FLOOD_SUBMITS_PER_MINUTE", 12_000, least=1)
FLOOD_SIGN_INS_PER_MINUTE = env.integer("FLOOD_SIGN_INS_PER_MINUTE", 20, least=1)
# allauth counts beside the shield; its other limits stay as they come.
ACCOUNT_RATE_LIMITS = {"login": f"{FLOOD_SIGN_INS_PER_MINUTE}/m/ip"}
FLOOD_WEBHOOKS_PER_MINUTE = env.integer("FLOOD_WEBHOOKS_PER_MINUTE", 12_000, least=1)
RATELIMIT_USE_CACHE = "throttling"
# W001 and E003 ask for a shared cache; the shield is per process on purpose (docs/adr/0006).
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.W001", "django_ratelimit.E003"]

UNFOLD = third_party.UNFOLD

# --- Security

_SECURE = not DEVELOPMENT
safe_start.check(
    is_development=DEVELOPMENT,
    secrets={
        "SECRET_KEY": [SECRET_KEY, *SECRET_KEY_FALLBACKS],
        "SEALING_KEYS": SEALING_KEYS,
    },
    allowed_hosts=ALLOWED_HOSTS,
    public_url=PUBLIC_URL,
    database_password=str(DATABASES["default"]["PASSWORD"]),
    redis_url=REDIS_URL,
    has_staff_second_factor=sign_in.STAFF_SECOND_FACTOR,
)
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# Browsers take cookies of such names from this very host alone, over TLS, for every path.
_OF_THIS_HOST = "" if DEVELOPMENT else "__Host-"
SESSION_COOKIE_NAME = f"{_OF_THIS_HOST}videogen_session"
CSRF_COOKIE_NAME = f"{_OF_THIS_HOST}videogen_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
MESSAGE_STORAGE = "videogen.message_cookies.Storage"
MESSAGE_COOKIE_NAME = f"{_OF_THIS_HOST}videogen_messages"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_SSL_REDIRECT = env.flag("SSL_REDIRECT", default=_SECURE)
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_TLS_PROXY") else None
)
SECURE_HSTS_SECONDS = 31_536_000 if _SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _SECURE
SECURE_HSTS_PRELOAD = _SECURE
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Where finished videos may be shown from beside the pools' hosts; on a developer's machine also from servers there.
_MEDIA = env.words("MEDIA_ORIGINS") + (["http://127.0.0.1:*"] if DEVELOPMENT else [])
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", NONCE],
        "style-src": ["'self'"],
        # Own results are addressed by PUBLIC_URL, whatever name a page was opened by; a chosen image is a blob.
        "img-src": ["'self'", "data:", "blob:", PUBLIC_URL, *_MEDIA],
        "media-src": ["'self'", PUBLIC_URL, *_MEDIA],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        # A form that starts a sign-in elsewhere is answered with a redirect to there.
        "form-action": ["'self'", *(["https:"] if sign_in.SOCIAL else [])],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}
# Websockets are accepted from pages of these origins only.
PUSH_ALLOWED_ORIGINS = env.words("PUSH_ALLOWED_ORIGINS", PUBLIC_URL)
if DEVELOPMENT:
    _parts = urlsplit(PUBLIC_URL)
    _twins = [f"http://{name}:{_parts.port or 80}" for name in ("localhost", "127.0.0.1")]
    PUSH_ALLOWED_ORIGINS += _twins
    CSRF_TRUSTED_ORIGINS += _twins

# --- Static files

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
# Straight from the source folders, so that a clone runs without a build step.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 0 if DEVELOPMENT else 3600

# --- Observability

SENTRY_DSN = env.text("SENTRY_DSN", "")
# Where traces go, such as http://collector:4318; empty: there are none. The exporter reads it, and OTEL_* beside it.
OTEL_EXPORTER_OTLP_ENDPOINT = env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")
if OTEL_EXPORTER_OTLP_ENDPOINT:
    for _chain in (MIDDLEWARE, CALL_MIDDLEWARE):
        _chain.insert(1, "videogen.tracing.TracingMiddleware")
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
# json for machines, lines for a person.
LOG_FORMAT = env.choice("LOG_FORMAT", ("lines", "json") if DEVELOPMENT else ("json", "lines"))
LOGGING = log_settings.of(LOG_FORMAT, level=LOG_LEVEL)
PROMETHEUS_EXPORT_MIGRATIONS = False
# For each view and verb there are as many series.
PROMETHEUS_LATENCY_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, float("inf"))

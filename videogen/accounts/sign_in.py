"""The settings of signing up and in. What differs between machines is an environment variable."""

from videogen import env

# Other places' accounts that people may sign in with, as allauth names them: google, github, ...
# Each needs NAME_CLIENT_ID and NAME_CLIENT_SECRET.
SOCIAL = env.words("SOCIAL_PROVIDERS")
APPLICATIONS = [
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    *(f"allauth.socialaccount.providers.{name}" for name in SOCIAL),
]
ACCOUNT_ADAPTER = "videogen.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "videogen.accounts.sign_up_checks.SignUpChecks"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# Codes and not links: they work on a phone whose mail is read on another machine.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 900
# Offered for new addresses only, it would tell those that have an account.
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = False
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 900
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_SESSION_REMEMBER = True
# How many proxies of ours add to X-Forwarded-For (jobs/client_addresses.py).
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)
# A deletion that somebody asked for can be taken back for so many days; a copy of their data is kept for so many.
DELETION_GRACE_DAYS = env.days("DELETION_GRACE_DAYS", 7, least=0)
EXPORTS_KEPT_DAYS = env.days("EXPORTS_KEPT_DAYS", 7)
HEADLESS_CLIENTS = ("app",)
MFA_ADAPTER = "videogen.accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "videogen"
# The admin and the console open to staff with a second factor only; on a developer's machine that may be off, and is.
STAFF_SECOND_FACTOR = env.flag("STAFF_SECOND_FACTOR", default=not env.flag("DEVELOPMENT"))
SOCIALACCOUNT_ADAPTER = "videogen.accounts.adapters.SocialAdapter"
SOCIALACCOUNT_PROVIDERS = {
    name: {
        "APPS": [
            {
                "client_id": env.text(f"{name.upper()}_CLIENT_ID"),
                "secret": env.text(f"{name.upper()}_CLIENT_SECRET"),
            }
        ]
    }
    for name in SOCIAL
}

"""Settings of pushes to browsers and phones (docs/push.md); without them, nobody gets any."""

from typing import Final

from videogen import env

__all__ = ["FCM_SERVICE_ACCOUNT", "FCM_URL", "VAPID_CONTACT", "VAPID_PRIVATE_KEY"]

# A private key of P-256, the same for as long as anybody's browser is subscribed.
VAPID_PRIVATE_KEY: Final = env.text("VAPID_PRIVATE_KEY", "")
# Where push services reach whoever runs this: an https or mailto address; empty: PUBLIC_URL.
VAPID_CONTACT: Final = env.text("VAPID_CONTACT", "")
# The JSON key file of a Firebase project's service account; usually by FCM_SERVICE_ACCOUNT_FILE.
FCM_SERVICE_ACCOUNT: Final = env.text("FCM_SERVICE_ACCOUNT", "")
FCM_URL: Final = env.text("FCM_URL", "https://fcm.googleapis.com").rstrip("/")

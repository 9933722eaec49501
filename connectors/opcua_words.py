"""What went wrong between us and an OPC UA server, in words that say what to do."""

from __future__ import annotations

from urllib.parse import urlsplit

from asyncua.ua.uaerrors import UaStatusCodeError

from tailrace.connectors.opcua_settings import OpcUaSettings

_ADVICE = {
    "BadUserAccessDenied": "it refuses this user; check username and password",
    "BadIdentityTokenRejected": "it refuses this user; check username and password",
    "BadIdentityTokenInvalid": "it takes no such user; check username, or give none if it takes anonymous clients",
    "BadCertificateUntrusted": "it does not trust our certificate; add it to the server's trusted certificates",
    "BadSecurityChecksFailed": "it does not accept our certificate; add it to the server's trusted certificates",
    "BadCertificateUriInvalid": "our certificate has another application URI; set application_uri to the one in it",
    "BadSecurityPolicyRejected": "it does not offer this policy; check security",
    "BadTooManySessions": "it has too many clients; end one of them, or wait until old sessions time out",
}


def in_words(error: BaseException, settings: OpcUaSettings) -> str:
    """One sentence for what asyncua raised."""
    url = urlsplit(settings.url)
    return f"the server at {url.hostname}:{url.port or 4840}: {_what(error, settings)}"


def _what(error: BaseException, settings: OpcUaSettings) -> str:
    name = type(error).__name__
    text = str(error) or name
    if isinstance(error, TimeoutError):
        text = f"it does not answer within {settings.timeout_s:g} s"
    elif isinstance(error, FileNotFoundError):
        text = f"expected a certificate or key at {error.filename}, got nothing there; check security"
    elif isinstance(error, OSError):
        text = f"it cannot be reached ({error.strerror or text})"
    elif isinstance(error, AttributeError) and settings.username is not None and not settings.security:
        # asyncua looks for a server certificate to encrypt the password with, and an unsecured channel has none.
        text = (
            "it wants the password encrypted, which needs a secured channel; "
            "set security, like Basic256Sha256,SignAndEncrypt,cert.der,key.pem"
        )
    elif isinstance(error, UaStatusCodeError):
        text = f"{_ADVICE.get(name, text)} ({name})"
    elif "No matching endpoints" in text:
        asked = ",".join(settings.security.split(",")[:2]) or "no security"
        text = f"it offers no endpoint with {asked}; check security"
    return text

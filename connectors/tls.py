"""What a client needs to speak TLS, from PEM files."""

from __future__ import annotations

import os
import ssl


def tls(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """A context that checks the other side's certificate, against `ca` or what the system trusts; raises OSError, SSLError."""
    for path in filter(None, (ca, cert, key)):
        # ssl says that a file is missing, and not which.
        os.close(os.open(path, os.O_RDONLY))
    context = ssl.create_default_context(cafile=ca or None)
    if cert:
        context.load_cert_chain(cert, key or None)
    return context

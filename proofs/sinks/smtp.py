"""`python -m proofs.sinks.smtp JOURNAL`: a mail server in a process of its own (RFC 5321, what clients use of it).

Prints its port. Every whole mail becomes a line of the journal before it is acknowledged; one that ends before its
last line was never sent.
"""

import email
import email.policy
import socketserver
import sys
import time
from pathlib import Path
from typing import ClassVar

from proofs.sinks.http import Journal


class Session(socketserver.StreamRequestHandler):
    journal: ClassVar[Journal]

    def handle(self) -> None:
        """Speak with one client until it leaves."""
        recipients: list[str] = []
        self._say("220 sink")
        for line in self.rfile:
            verb = line.strip().split(b" ")[0].split(b":")[0].upper()
            match verb:
                case b"EHLO" | b"HELO":
                    self._say("250 sink")
                case b"MAIL":
                    recipients.clear()
                    self._say("250 OK")
                case b"RCPT":
                    recipients.append(line.decode().partition(":")[2].strip())
                    self._say("250 OK")
                case b"DATA":
                    self._say("354 Go on")
                    self._note(recipients)
                    self._say("250 Taken")
                case b"QUIT":
                    self._say("221 Bye")
                    return
                case _:
                    self._say("250 OK")

    def _note(self, recipients: list[str]) -> None:
        raw = b""
        for line in self.rfile:
            if line == b".\r\n":
                break
            raw += line.removeprefix(b".")
        else:
            return
        message = email.message_from_bytes(raw, policy=email.policy.default)
        self.journal.note(
            {
                "id": str(message["Message-ID"]),
                "to": recipients,
                "subject": str(message["Subject"]),
                "at": time.time(),
            }
        )

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed are what is being tried."""


def main() -> None:
    """Serve until killed."""
    Session.journal = Journal(Path(sys.argv[1]))
    server = _Server(("127.0.0.1", 0), Session)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

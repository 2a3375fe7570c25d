"""How the command ends: one number a kind, so that scripts can tell what to do next."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes. They do not change their meaning."""

    OK = 0
    # The server did its part, and there is no video: failed, expired or cancelled.
    NO_VIDEO = 1
    # The command line is wrong; argparse uses the same number.
    USAGE = 2
    # Not signed in, the key or session is over, the account is suspended, or the key may not do this.
    NOT_ALLOWED = 3
    NOT_FOUND = 4
    # The request was refused: a limit, credits, a field, a state. Nothing was changed.
    REFUSED = 5
    # The server cannot be reached, or is at fault. Worth trying again later.
    UNAVAILABLE = 6
    # A file of this machine cannot be read or written.
    LOCAL = 7
    # Ctrl-C. Jobs go on.
    INTERRUPTED = 130


HELP = """\
exit codes:
  0    done
  1    there is no video: it failed, expired or was cancelled
  2    the command line is wrong
  3    not signed in, or not allowed
  4    no such job
  5    refused: a limit, credits, a field, a state; nothing was changed
  6    the server cannot be reached, or is at fault; try again later
  7    a file on this machine cannot be read or written
  130  interrupted; jobs go on"""


class Failure(Exception):
    """Ends the command with a sentence on stderr."""

    def __init__(
        self, code: Exit, message: str, *, problem: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.problem = problem

"""The command line of `videogen`."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence

from videogen_cli import commands, screen
from videogen_cli.exits import HELP, Exit, Failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; give its exit code."""
    given = _parser().parse_args(arguments)
    run: Callable[[Namespace], Exit] = given.run
    try:
        return run(given)
    except Failure as failure:
        if given.json:
            screen.say_json({"error": failure.problem or {"detail": str(failure)}})
        sys.stderr.write(f"videogen: {failure}\n")
        return failure.code
    except KeyboardInterrupt:
        sys.stderr.write("\nLeft. The job goes on; see it with: videogen watch\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough.
        sys.stderr.close()
        return Exit.OK


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="videogen",
        description="Submit, follow and fetch videos.",
        epilog=HELP,
        formatter_class=RawDescriptionHelpFormatter,
    )
    own = parser.add_subparsers(required=True, metavar="COMMAND")

    one = _add(
        own, "login", commands.login, "sign in with an API key, or with --email and a password"
    )
    one.add_argument("--email", help="sign in with this address; without it, with an API key")
    _add(own, "logout", commands.logout, "forget what login kept")

    one = _add(own, "submit", commands.submit, "submit a prompt and follow it to its end")
    one.add_argument("prompt", help="what the video shows; - reads it from stdin")
    one.add_argument("--model")
    one.add_argument("--seconds", type=int)
    one.add_argument("--size", help="such as 854x480")
    one.add_argument("--seed", type=int)
    one.add_argument("--start-within", type=int, metavar="SECONDS")
    one.add_argument("--finish-within", type=int, metavar="SECONDS")
    one.add_argument("--key", help="idempotency key: the same key never makes a second video")
    one.add_argument("--no-wait", action="store_true", help="print the job's id and leave")
    _file(one)

    one = _add(own, "watch", commands.watch, "follow jobs to their ends")
    one.add_argument("jobs", nargs="+", metavar="JOB")

    one = _add(own, "list", commands.list_jobs, "list the jobs of a day")
    one.add_argument("--day", help="today or YYYY-MM-DD")
    one.add_argument("--tz", help="time zone of the day, such as Europe/Lisbon")
    one.add_argument("--limit", type=int, default=100)

    one = _add(own, "cancel", commands.cancel, "cancel jobs")
    one.add_argument("jobs", nargs="+", metavar="JOB")
    one.add_argument("--max-fee", type=int, metavar="CREDITS", help="refuse when it costs more")

    one = _add(own, "download", commands.download, "fetch a finished video into a file")
    one.add_argument("job", metavar="JOB")
    _file(one)
    return parser


def _add(
    own: "object", name: str, run: Callable[[Namespace], Exit], help_text: str
) -> ArgumentParser:
    one: ArgumentParser = own.add_parser(name, help=help_text, description=help_text)  # type: ignore[attr-defined]  # argparse keeps the type to itself
    one.add_argument("--url", help="address of the server (VIDEOGEN_URL)")
    one.add_argument("--json", action="store_true", help="a JSON document a line on stdout")
    one.add_argument("--quiet", action="store_true", help="no progress on stderr")
    one.set_defaults(run=run)
    return one


def _file(one: ArgumentParser) -> None:
    one.add_argument("-o", "--output", metavar="FILE", help="where the video goes")
    one.add_argument("--force", action="store_true", help="write over a file that is there")

"""Run the demo: python -m tests.e2e, usually through scripts/demo."""

from argparse import ArgumentParser, Namespace
import asyncio
from pathlib import Path
from random import randrange
import shutil
import signal
import sys
from tempfile import mkdtemp
from typing import Final

from .chaos import KILLS, check_chaos
from .check import check
from .demo import Demo, Progress, running_demo
from .flows import FLOWS, check_flows, connect_supplier
from .home_assistant import PASSWORD, USER
from .pictures import publish
from .process import DemoError
from .settle import check_settlement

# What a shell says of a program that a signal ended.
STOPPED: Final = 130

# How Home Assistant says that it wants to be started again.
RESTART: Final = 100

GUIDE: Final = """
Home Assistant  {home_assistant}
                user {user}, password {password}
Look at         {home_assistant}/energy
                what the energy of the home cost, a year back: choose a period, see the table of sources
                {home_assistant}/config/integrations/integration/flatpeak
                the home and its meters, each with its costs
Flatpeak        {simulator}
                simulated; tests/simulator/README.md tells what it can be asked and told
Files           {directory}

Ctrl-C stops everything.
"""


def parse_arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        prog="scripts/demo",
        description="Show Flatpeak in a real Home Assistant with a year of a home's energy.",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8123,
        help="of Home Assistant; the simulated Flatpeak takes the next one (default 8123)",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="use this configuration directory of Home Assistant and keep it",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="check that the year is priced and shown right, connect a supplier in the browser, then stop",
    )
    parser.add_argument(
        "--settle",
        action="store_true",
        help="check also that a month at new prices is followed by the night after, and the device dashboard",
    )
    parser.add_argument(
        "--flows",
        action="store_true",
        help="walk also through every other flow in the browser, to the removal of the home and its set-up again",
    )
    parser.add_argument(
        "--screenshots",
        type=Path,
        metavar="DIR",
        help="where the check puts its screenshots (default: screenshots in the configuration directory)",
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="check everything, and make the pictures of the documentation anew from the screenshots",
    )
    parser.add_argument(
        "--chaos",
        type=int,
        nargs="?",
        const=randrange(10**6),
        metavar="SEED",
        help=f"kill Home Assistant {KILLS} times (kill -9) at random moments of the year's upload, compare what Flatpeak has then, stop",
    )
    arguments = parser.parse_args()
    if arguments.pictures:
        arguments.check = arguments.settle = arguments.flows = True
    if (arguments.settle or arguments.flows) and not arguments.check:
        parser.error("--settle and --flows go with --check")
    if arguments.chaos is not None and arguments.check:
        parser.error("--chaos goes without --check")
    return arguments


def is_for_a_person(arguments: Namespace) -> bool:
    """Return whether the demo runs until somebody stops it."""
    return not arguments.check and arguments.chaos is None


async def show(demo: Demo, directory: Path) -> None:
    """Say what there is to see, and keep Home Assistant running."""
    print(
        GUIDE.format(
            home_assistant=demo.home_assistant.url,
            user=USER,
            password=PASSWORD,
            simulator=demo.simulator.url,
            directory=directory,
        ),
        flush=True,
    )
    while (code := await demo.home_assistant.program.ended()) == RESTART:
        await demo.home_assistant.program.start()
    raise DemoError(f"Home Assistant has ended with exit code {code}.")


async def run(arguments: Namespace, directory: Path) -> bool:
    """Run the demo until it is stopped, or its check; return whether all is well."""
    end_on_signals()
    say = Progress()
    async with running_demo(directory, arguments.port, say) as demo:
        is_well = await use(demo, arguments, directory, say)
    if not is_well:
        print(f"Configuration, log and database are left in {directory}.")
    return is_well


async def use(demo: Demo, arguments: Namespace, directory: Path, say: Progress) -> bool:
    """Do with the demo what was asked for, return whether all is well."""
    if arguments.chaos is not None:
        return await check_chaos(demo, arguments.chaos, say)
    if is_for_a_person(arguments):
        await show(demo, directory)
    screenshots = arguments.screenshots or directory / "screenshots"
    if not await check(demo, screenshots, say):
        return False
    if arguments.settle and not await check_settlement(demo, screenshots, say):
        return False
    flows = FLOWS if arguments.flows else (connect_supplier,)
    if not await check_flows(demo, flows, screenshots, say):
        return False
    if arguments.pictures:
        publish(screenshots)
    return True


def end_on_signals() -> None:
    """Let the first signal end everything in good order; further ones change nothing."""
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        """Cancel what runs."""
        if not task.cancelling():
            print("Stopping.", flush=True)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end)


def main() -> int:
    """Run the demo, return the exit code."""
    arguments = parse_arguments()
    directory = (arguments.keep or Path(mkdtemp(prefix="flatpeak-demo-"))).resolve()
    try:
        if not asyncio.run(run(arguments, directory)):
            return 1
        code = 0
    except DemoError as error:
        print(error, file=sys.stderr)
        code = 1
    except asyncio.CancelledError:
        code = 0 if is_for_a_person(arguments) else STOPPED
    if arguments.keep is None:
        shutil.rmtree(directory)
    return code


if __name__ == "__main__":
    sys.exit(main())

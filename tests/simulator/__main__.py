"""Run the simulator by itself: python -m tests.simulator --port 8787."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
import asyncio
from decimal import Decimal
import signal
import sys
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .simulator import ACCOUNT_ID, API_KEY, Simulator
from .tariffs import Dynamic, Flat, Tariff, TwoRate

TARIFFS: Final[dict[str, Tariff | None]] = {
    "none": None,
    "flat": Flat(price=Decimal("0.25")),
    "two_rate": TwoRate(low=Decimal("0.09"), high=Decimal("0.29")),
    "dynamic": Dynamic(),
    "quarter_hourly": Dynamic(minutes=15),
}


def parse_arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--account-id", default=ACCOUNT_ID)
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument(
        "--time-zone", type=time_zone, help="of every location, whatever its address"
    )
    parser.add_argument("--currency", help="of every location, whatever its address")
    parser.add_argument(
        "--tariff",
        choices=TARIFFS,
        default="none",
        help="import tariff that every new location has from the start",
    )
    return parser.parse_args()


def time_zone(name: str) -> ZoneInfo:
    """Return a time zone by name."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        raise ArgumentTypeError(f"there is no time zone {name}") from error


async def run(arguments: Namespace) -> None:
    """Serve until the process is told to stop."""
    simulator = Simulator(
        port=arguments.port,
        account_id=arguments.account_id,
        api_key=arguments.api_key,
        time_zone=arguments.time_zone,
        currency=arguments.currency,
        first_tariff=TARIFFS[arguments.tariff],
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with simulator:
        print(f"URL:        {simulator.url}")
        print(f"Account id: {simulator.account_id}")
        print(f"API key:    {simulator.api_key}", flush=True)
        await stop.wait()


def main() -> None:
    """Run; say plainly when the port is taken."""
    try:
        asyncio.run(run(parse_arguments()))
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

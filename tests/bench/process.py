"""Measure in a process of its own, so that nothing measured before is in its way."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import logging
from multiprocessing import get_context
from typing import Any

from homeassistant.runner import create_event_loop


def in_own_process[**P, T](
    work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run a coroutine function in a new process, in Home Assistant's event loop."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, partial(work, *args, **kwargs)).result()


def _run[T](work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function; only what goes wrong is worth a line."""
    logging.basicConfig(level=logging.ERROR)
    with asyncio.Runner(loop_factory=partial(create_event_loop, False)) as runner:
        return runner.run(work())

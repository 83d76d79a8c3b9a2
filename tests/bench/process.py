"""Measure in a process of its own, so that nothing measured before is in its way."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import logging
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from typing import Any, Final

from homeassistant.runner import create_event_loop

# To load Home Assistant takes seconds: once is enough.
_WARM: Final = get_context("forkserver")
_WARM.set_forkserver_preload(["tests.bench.measurements"])


def in_own_process[**P, T](
    work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run a coroutine function in a process of its own, in Home Assistant's event loop."""
    return _run_in(_WARM, partial(work, *args, **kwargs))


def in_new_process[**P, T](
    work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Do the same where it matters what the process has loaded: nothing at all."""
    return _run_in(get_context("spawn"), partial(work, *args, **kwargs))


def _run_in[T](processes: BaseContext, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function in one process."""
    with ProcessPoolExecutor(1, mp_context=processes) as pool:
        return pool.submit(_run, work).result()


def _run[T](work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function; only what goes wrong is worth a line."""
    logging.basicConfig(level=logging.ERROR)
    with asyncio.Runner(loop_factory=partial(create_event_loop, False)) as runner:
        return runner.run(work())

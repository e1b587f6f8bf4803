"""What the steps of a load take and come to, for whoever collects it by OpenTelemetry: a decorator.

Off, as it is unless asked for, it returns the function itself, and OpenTelemetry is not imported. docs/telemetry.md
lists what is sent where it is on.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast, overload

from mta_weekly.settings import wants_telemetry

P = ParamSpec("P")
R = TypeVar("R")

Attributes = Mapping[str, str | int]


def _say_nothing(*_: Any, **__: Any) -> Attributes:
    return {}


@overload
def record_step(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def record_step(
    *, name: str = "", about: Callable[..., Attributes] = ..., result: Callable[..., Attributes] = ...
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def record_step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str = "",
    about: Callable[..., Attributes] = _say_nothing,
    result: Callable[..., Attributes] = _say_nothing,
) -> Callable[..., Any]:
    """Record each call of a function or coroutine: a span, and its duration and outcome as metrics.

    Results and errors pass through as they are, and a fault of the recording is one line in the log. Of a generator
    only its making would be recorded: decorate what consumes it.

    Args:
        name: of the step; without it, the function's.
        about: from the arguments of a call to its attributes, named without their `mta.`; nothing secret.
        result: from what the call returned to more of them.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if not wants_telemetry():
            return function
        from mta_weekly.recorder import Recording  # only here: it imports OpenTelemetry

        step = name or function.__name__
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def await_recorded(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Recording(step, lambda: about(*args, **kwargs)) as recording:
                    returned = await function(*args, **kwargs)
                    recording.add(lambda: result(returned))
                return returned

            return cast(Callable[P, R], await_recorded)

        @wraps(function)
        def call_recorded(*args: P.args, **kwargs: P.kwargs) -> R:
            with Recording(step, lambda: about(*args, **kwargs)) as recording:
                returned = function(*args, **kwargs)
                recording.add(lambda: result(returned))
            return returned

        return call_recorded

    return decorate(function) if function else decorate

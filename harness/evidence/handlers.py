"""A table of event handlers: the method of a class to call for each event of a log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from harness.evidence.events import Event

_Owner = TypeVar("_Owner")
_Handled = TypeVar("_Handled", bound=Event)


class EventHandlers(Generic[_Owner]):
    """The event handlers of a class. An event without a handler is ignored.

    ``@handlers.on(SerialLine)`` in the body of the class registers a method.
    """

    def __init__(self) -> None:
        self._methods: dict[type[Event], Callable[[Any, Any], None]] = {}

    def on(
        self, *events: type[_Handled]
    ) -> Callable[[Callable[[_Owner, _Handled], None]], Callable[[_Owner, _Handled], None]]:
        """Register the decorated method for ``events``."""

        def enter(
            method: Callable[[_Owner, _Handled], None],
        ) -> Callable[[_Owner, _Handled], None]:
            for event_type in events:
                self._methods[event_type] = method
            return method

        return enter

    def handle(self, owner: _Owner, event: Event) -> None:
        """Call the method of ``owner`` for ``event``, if there is one."""
        method = self._methods.get(type(event))
        if method is not None:
            method(owner, event)

    @property
    def handled(self) -> frozenset[type[Event]]:
        """The events that have a handler."""
        return frozenset(self._methods)

"""A table of handlers for events: who folds a log asks it what to call for each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from harness.evidence.events import Event

_Owner = TypeVar("_Owner")
_Handled = TypeVar("_Handled", bound=Event)


class EventHandlers(Generic[_Owner]):
    """The methods of a class by the events that they take; an event without one is passed over.

    A method is entered with ``@handlers.on(SerialLine)`` in the body of its class.
    """

    def __init__(self) -> None:
        self._methods: dict[type[Event], Callable[[Any, Any], None]] = {}

    def on(
        self, *events: type[_Handled]
    ) -> Callable[[Callable[[_Owner, _Handled], None]], Callable[[_Owner, _Handled], None]]:
        """Enter the decorated method for ``events``."""

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
        """The events that have a method."""
        return frozenset(self._methods)

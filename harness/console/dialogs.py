"""Dialogs that ask for a text, or for one of several choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

_CANCEL: list[BindingType] = [Binding("escape", "cancel", "Cancel")]


class TextDialog(ModalScreen[str | None]):
    """A dialog for a line of text; its result is None after Escape."""

    BINDINGS: ClassVar[list[BindingType]] = _CANCEL

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__()
        self._title = title
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """Yield the question and its input."""
        with Vertical(classes="dialog"):
            yield Label(self._title, markup=False)
            yield Input(placeholder=self._placeholder)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the line."""
        self.dismiss(event.value.strip() or None)

    def action_cancel(self) -> None:
        """Return nothing."""
        self.dismiss(None)


class ChoiceDialog(ModalScreen[str | None]):
    """A dialog for one of several choices; its result is None after Escape."""

    BINDINGS: ClassVar[list[BindingType]] = _CANCEL

    def __init__(self, title: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Yield the question and its choices."""
        with Vertical(classes="dialog"):
            yield Label(self._title, markup=False)
            yield OptionList(*(Option(text, id=name) for name, text in self._choices), markup=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the choice."""
        self.dismiss(event.option.id)

    def action_cancel(self) -> None:
        """Return nothing."""
        self.dismiss(None)

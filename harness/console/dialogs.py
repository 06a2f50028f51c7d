"""What is asked before something is done: a text, or one of several."""

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
    """Asks for a line; None where it is left with Escape."""

    BINDINGS: ClassVar[list[BindingType]] = _CANCEL

    def __init__(self, title: str, placeholder: str) -> None:
        super().__init__()
        self._title = title
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """The question and its line."""
        with Vertical(classes="dialog"):
            yield Label(self._title, markup=False)
            yield Input(placeholder=self._placeholder)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The line is ended."""
        self.dismiss(event.value.strip() or None)

    def action_cancel(self) -> None:
        """Leave it be."""
        self.dismiss(None)


class ChoiceDialog(ModalScreen[str | None]):
    """Asks for one of several; None where it is left with Escape."""

    BINDINGS: ClassVar[list[BindingType]] = _CANCEL

    def __init__(self, title: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._choices = choices

    def compose(self) -> ComposeResult:
        """The question and its answers."""
        with Vertical(classes="dialog"):
            yield Label(self._title, markup=False)
            yield OptionList(*(Option(text, id=name) for name, text in self._choices), markup=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """One is chosen."""
        self.dismiss(event.option.id)

    def action_cancel(self) -> None:
        """Leave it be."""
        self.dismiss(None)

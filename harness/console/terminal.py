"""The terminal application, for a live machine or a recorded run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static, TabbedContent, TabPane

from harness.console import panels
from harness.console.actions import ACTIONS, SWAPS
from harness.console.dialogs import ChoiceDialog, TextDialog
from harness.console.keys import PREFIX, PREFIX_BYTE, key_bytes
from harness.console.picture_pane import PICTURE_ID, PictureUpdater, picture_pane
from harness.console.player import Player
from harness.console.serial_pane import SerialPane
from harness.console.station import Station
from harness.errors import HarnessError, StateError
from harness.evidence.guest_text import printable

ExitChoice = Literal["end", "keep"]

_TABS = ("serial", "screen", "log", "rules")
_TITLES = ("1 Serial", "2 Screen", "3 QMP log", "4 Rules")
_PERIOD_S = 0.25
_SCREEN_PERIOD_S = 0.5
_STEP_S = 5.0
_PLACEHOLDERS = {"keys": "ret, ctrl-alt-f2, a ...", "text": "query-status"}
_LEAVE = (("q", "Leave"), ("Q", "Leave, machine kept"))


class ConsoleApp(App[ExitChoice], inherit_bindings=False):
    """The application. Every key goes to the guest, except the one after Ctrl-].

    Its return value says whether to keep the machine. A recorded run takes no keys for a guest.
    """

    CSS_PATH = "terminal.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "harness console"

    def __init__(self, station: Station | Player) -> None:
        super().__init__()
        self.station = station
        self.serial = SerialPane()
        self._waits = False
        self._dirty = True
        self._pictures = PictureUpdater()
        self._stop_watching: list[Callable[[], None]] = []

    def compose(self) -> ComposeResult:
        """Yield the serial line and the other pages at the left, the diagnosis at the right."""
        yield Static(id="headline")
        with Horizontal(id="middle"):
            with Vertical(id="main"), TabbedContent(id="tabs"):
                with TabPane(_TITLES[0], id="serial"):
                    yield self.serial
                for name, title in zip(_TABS[1:], _TITLES[1:], strict=True):
                    with TabPane(title, id=name), VerticalScroll(classes="page", can_focus=False):
                        yield Static(id=f"{name}-text", markup=False)
                        if name == "screen":
                            yield picture_pane()
            with Vertical(id="side"):
                yield Static(id="ladder", classes="panel", markup=False)
                with VerticalScroll(id="diagnosis-box", classes="panel", can_focus=False):
                    yield Static(id="diagnosis", markup=False)
                yield Static(id="traffic", classes="panel", markup=False)
        yield Static(id="said", markup=False)
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Start to watch the station."""
        for name, title in (("ladder", "stages"), ("traffic", "traffic")):
            self.query_one(f"#{name}").border_title = title
        self.query_one("#diagnosis-box").border_title = "diagnosis"
        self.serial.focus()
        self._stop_watching = [
            self.station.watch(lambda *_: self._mark()),
            self.station.watch_serial(self.serial.write),
        ]
        self.set_interval(_PERIOD_S, self.refresh_panels)
        if isinstance(self.station, Station):
            self.set_interval(_SCREEN_PERIOD_S, self._read_screen)
        self._show_keys()
        self.refresh_panels()

    def on_resize(self) -> None:
        """Wrap the list of keys to the new width."""
        self._show_keys()

    def on_unmount(self) -> None:
        """Stop to watch the station."""
        for stop in self._stop_watching:
            stop()

    def _mark(self) -> None:
        self._dirty = True

    # What is shown

    def refresh_panels(self) -> None:
        """Redraw the panels; those that depend on observations only after one."""
        if not self._is_up:
            return
        if isinstance(self.station, Player):
            self.station.tick()
            self._show_keys()
        view, now_s = self.station.view, self.station.now_s()
        self._update("headline", panels.headline(view, now_s))
        self._update("ladder", panels.ladder(view, now_s))
        if not self._dirty:
            return
        self._dirty = False
        self._update("diagnosis", panels.diagnosis(view))
        self._update("traffic", panels.traffic(view))
        self._update("log-text", panels.log(view.log))
        self._update("rules-text", panels.rules(view))
        if isinstance(self.station, Player):
            self._show_screen(view.screen, b"" if view.screen else self.station.read_picture())
        box = self.screen_stack[0].query_one("#diagnosis-box")
        for outcome in ("pass", "fail", "inconclusive", "error"):
            decided = view.verdict is not None and view.verdict.outcome == outcome
            box.set_class(decided, f"decided-{outcome}")

    def _update(self, name: str, text: Text) -> None:
        self.screen_stack[0].query_one(f"#{name}", Static).update(text)

    @property
    def _is_up(self) -> bool:
        """True while the widgets exist: a timer may still fire after they are removed."""
        return bool(self.screen_stack) and bool(self.screen_stack[0].query("#keys"))

    async def _read_screen(self) -> None:
        """Read the guest's screen while its page is shown."""
        if (
            not self._is_up
            or self._tabs.active != "screen"
            or not isinstance(self.station, Station)
        ):
            return
        try:
            seen = await self.station.read_screen()
            # Text is shown as text: sharp, and easy to copy.
            picture = b"" if seen.lines else await self.station.read_picture()
        except HarnessError:
            return
        self._show_screen(seen.lines, picture)

    def _show_screen(self, lines: Iterable[str], picture: bytes) -> None:
        self._update("screen-text", panels.screen(lines, " " if picture else ""))
        self._pictures.show(self.screen_stack[0].query_one(f"#{PICTURE_ID}"), picture)

    @property
    def _tabs(self) -> TabbedContent:
        return self.screen_stack[0].query_one("#tabs", TabbedContent)

    def say(self, sentence: str) -> None:
        """Show a sentence above the keys, until the next one."""
        line = self.screen_stack[0].query_one("#said", Static)
        line.update(Text(printable(sentence, 1000)))
        line.set_class(bool(sentence), "shown")

    def _show_keys(self) -> None:
        keys = self.screen_stack[0].query_one("#keys", Static)
        keys.set_class(self._waits, "waits")
        station = self.station
        # One cell is kept free at either side.
        width = self.size.width - 2
        keys.update(_replay_keys(station) if isinstance(station, Player) else _keys(width))

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """Take keys before Textual handles them, except in a dialog."""
        is_ours = len(self.screen_stack) == 1 and not getattr(event, "is_forwarded", False)
        if is_ours and isinstance(event, events.Key):
            self._take_key(event.key, event.character)
        elif is_ours and isinstance(event, events.Paste):
            self._type(event.text.replace("\r\n", "\n").replace("\n", "\r").encode())
        else:
            await super().on_event(event)

    def _take_key(self, key: str, character: str | None) -> None:
        if isinstance(self.station, Player):
            self._replay_key(self.station, key, character)
        elif self._waits:
            self._waits = False
            self._show_keys()
            self._command(key, character or "")
        elif key == PREFIX:
            self._waits = True
            self._show_keys()
        elif key in ("shift+pageup", "shift+pagedown"):
            self._scroll(-1 if key == "shift+pageup" else 1)
        else:
            self._type(key_bytes(key, character))

    def _type(self, keys: bytes) -> None:
        if not keys:
            return
        try:
            self.station.type(keys)
        except StateError as error:
            self.say(str(error))
        else:
            self.serial.scroll_end(animate=False)

    def _scroll(self, pages: int) -> None:
        height = self.serial.size.height
        self.serial.scroll_relative(y=pages * (height - 1), animate=False)

    def _command(self, key: str, character: str) -> None:
        """Run the command of the key after the prefix."""
        action = next((row for row in ACTIONS if row.key == character), None)
        if key == PREFIX:
            self._type(PREFIX_BYTE)
        elif character in ("q", "Q"):
            self.exit("end" if character == "q" else "keep")
        elif character in ("1", "2", "3", "4"):
            self._tabs.active = _TABS[int(character) - 1]
        elif action is None:
            return
        elif action.name == "swap":
            self._ask_what_to_swap()
        elif action.arguments:
            self._ask(action.name, action.label, action.arguments[0])
        else:
            self.act(action.name)

    def _ask(self, name: str, label: str, argument: str) -> None:
        def answered(text: str | None) -> None:
            if text:
                self.act(name, **{argument: text})

        self.push_screen(TextDialog(label, _PLACEHOLDERS[argument]), answered)

    def _ask_what_to_swap(self) -> None:
        choices = [
            (f"{what}={value}", f"{what.replace('-', ' ')}: {value}")
            for what, values in SWAPS.items()
            for value in values
        ]

        def chosen(answer: str | None) -> None:
            if answer:
                what, _, value = answer.partition("=")
                self.act("swap", what=what, value=value)

        title = "Boot again with one thing other than the provider has it"
        self.push_screen(ChoiceDialog(title, choices), chosen)

    def act(self, name: str, **arguments: str) -> None:
        """Perform an action, and show its effect."""

        async def work() -> None:
            try:
                effect = await self.station.do(name, **arguments)
            except HarnessError as error:
                effect = str(error)
            else:
                if name == "ssh-command":
                    # OSC 52: the clipboard of the terminal, also over ssh. No guest text is in it.
                    self.copy_to_clipboard(effect)
            self.say(effect)

        self.run_worker(work(), group="actions")

    # A recorded run

    def _replay_key(self, player: Player, key: str, character: str | None) -> None:
        commands: dict[str, Callable[[], None]] = {
            "space": player.pause if player.plays else player.play,
            "right": lambda: player.seek(player.now_s() + _STEP_S),
            "left": lambda: player.seek(player.now_s() - _STEP_S),
            "up": player.faster,
            "down": player.slower,
            "home": lambda: player.seek(0.0),
            "end": lambda: player.seek(player.end_s),
            "right_square_bracket": lambda: self._seek_stage(player, forward=True),
            "left_square_bracket": lambda: self._seek_stage(player, forward=False),
            "pageup": lambda: self._scroll(-1),
            "pagedown": lambda: self._scroll(1),
        }
        if key in commands:
            commands[key]()
        elif character == "g":
            self._ask_where(player)
        elif character in ("1", "2", "3", "4"):
            self._tabs.active = _TABS[int(character) - 1]
        elif character in ("q", "Q") or key in ("ctrl+c", "ctrl+q"):
            self.exit("end")
        self._mark()

    def _seek_stage(self, player: Player, *, forward: bool) -> None:
        times_s = sorted(set(player.stages_s.values()))
        later = [at_s for at_s in times_s if at_s > player.now_s()]
        # Just after a stage still counts as that stage: a second press goes to the one before.
        earlier = [at_s for at_s in times_s if at_s < player.now_s() - 0.3 * player.speed]
        if forward and later:
            player.seek(later[0])
        elif not forward:
            player.seek(earlier[-1] if earlier else 0.0)

    def _ask_where(self, player: Player) -> None:
        choices = [(name, f"{at_s:8.1f} s  {name}") for name, at_s in player.stages_s.items()]

        def chosen(stage: str | None) -> None:
            if stage:
                player.seek(stage)
                self._mark()

        self.push_screen(ChoiceDialog("Go to", choices), chosen)


def _keys(width: int) -> Text:
    """Return the commands of the keys after the prefix, in lines of ``width`` cells."""
    text = Text("Ctrl-] then  ", "bold")
    rows = [(row.key, row.label) for row in ACTIONS]
    used = len(text)
    for key, label in (*rows, ("1-4", "Pages"), *_LEAVE):
        cells = len(key) + len(label) + 4
        if used + cells > width:
            text.append("\n")
            used = 0
        used += cells
        text.append(f" {key} ", "bold #8fb3ff")
        text.append(f"{label}  ", "#aab4c5")
    return text


def _replay_keys(player: Player) -> Text:
    """Return the position of the replay, and its keys."""
    width = 40
    done = round(player.now_s() / player.end_s * width) if player.end_s else width
    text = Text("\u25b6 " if player.plays else "\u2016 ", "bold")
    text.append("\u2501" * done, "#8fb3ff")
    text.append("\u2501" * (width - done), "#33415a")
    text.append(f"  {player.now_s():.1f} of {player.end_s:.1f} s  \u00d7{player.speed:g}\n", "cyan")
    for key, label in (
        ("space", "play, pause"),
        ("\u2190 \u2192", "5 s"),
        ("[ ]", "stages"),
        ("g", "go to"),
        ("\u2191 \u2193", "speed"),
        ("1-4", "pages"),
        ("q", "leave"),
    ):
        text.append(f"{key} ", "bold #8fb3ff")
        text.append(f"{label}   ", "#aab4c5")
    return text

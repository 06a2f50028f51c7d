"""Adds rows to a history, as a matrix of its own does: PATH ID COUNT. Prints each that is kept."""

import datetime
import sys
from pathlib import Path

from harness.errors import UsageError
from harness.matrix.history import History
from tests.matrix.rows import night, tried


def main() -> None:
    path, writer, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    row = tried()
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with History(path) as history:
            for number in range(count):
                at = night(1) + datetime.timedelta(hours=writer, seconds=number)
                history.add(at, row.model_copy(update={"name": f"image-{writer}-{number:06}"}))
                print(number, flush=True)
    except UsageError as error:
        sys.exit(f"harness: {error}")


if __name__ == "__main__":
    main()

"""A recipe's command: waits until it may go on, and prints the path of an image.

``slow_recipe.py FOLDER NAME`` writes its process id to ``FOLDER/NAME.PID.began``, waits for
``FOLDER/NAME.go``, and prints ``FOLDER/NAME.img``. It stands in for a machine: it is started by the
same chain of processes.
"""

import os
import sys
import time
from pathlib import Path

folder, name = Path(sys.argv[1]), sys.argv[2]
(folder / f"{name}.{os.getpid()}.began").touch()
while not (folder / f"{name}.go").exists():
    time.sleep(0.02)
print(folder / f"{name}.img")

"""A stand-in for the program that drives a GSM modem: writes what it was given into a folder of the test's."""

import sys
import uuid
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
text = sys.stdin.buffer.read().decode()
(folder / uuid.uuid4().hex).write_text(f"{' '.join(sys.argv[2:])}: {text}\n", encoding="utf-8")
print("modem-1")

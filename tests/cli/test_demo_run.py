"""The demo runs, answers, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from typer.testing import CliRunner

from reporter.cli import app

STARTS_S = 40
STOPS_S = 20


def test_the_demo_starts_tells_its_time_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUTF8": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "reporter", "demo", "--json", "--speed", "3600", "--http", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        text = ""
        while not text.endswith("}\n") or text.count("{") != text.count("}"):
            line = demo.stdout.readline()
            assert line, demo.stderr and demo.stderr.read()
            text += line
        ready = json.loads(text)
        try:
            address, login = ready["http"], {"Authorization": f"Bearer {ready['token']}"}
            listed = httpx.get(f"{address}/api/v1/incidents", headers=login, timeout=STARTS_S)
            doctor = CliRunner().invoke(app, ["doctor", "--data-dir", ready["data_dir"], "--nats-port", "0"])
            demo.send_signal(signal.SIGTERM)
            _, story = demo.communicate(timeout=STOPS_S)
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGKILL)

    assert listed.status_code == 200
    assert doctor.exit_code == 0, doctor.output
    assert demo.returncode == 0, story
    assert "未留下" in story
    assert list(tmp_path.iterdir()) == []

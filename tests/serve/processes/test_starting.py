"""What a server loads before it answers: each of these takes as long as all the rest."""

import subprocess
import sys

SLOW = {"gradio", "pandas", "polyhead.train", "scipy", "sklearn", "sympy", "transformers"}
START = """
import sys
import polyhead.cli.serving.process as server_process

def look(self, listener, tell_ready):
    tell_ready()
    print(*sys.modules)

server_process.ServerProcess.serve_on = look
from polyhead.cli import main
main()
"""


def test_nothing_slow_is_loaded_that_a_server_does_not_need(save_tasks, tmp_path):
    save_tasks(tmp_path)
    words = ["serve", "--tasks", str(tmp_path), "--port", "0", "--preload", "all"]
    done = subprocess.run(
        [sys.executable, "-c", START, *words], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"torch", "fastapi", "polyhead.serve.engine"} <= loaded
    assert not SLOW & loaded
    # torch's own compiler, which it imports where weights are drawn on the meta device
    assert "torch._dynamo" not in loaded
    assert "Ready after" in done.stderr

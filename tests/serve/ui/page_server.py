"""A server with the playground, for tests and pictures.

    python tests/serve/ui/page_server.py FOLDER [--backbone minilm] [--key KEY]

It serves the tasks of FOLDER, on the tiny model of polyhead.testing where no backbone is given. It
prints its port in one line, and stops at the end of its input.
"""

import argparse
import socket
import sys
import threading

import uvicorn

from polyhead.model import DistilBertModelWithHeads
from polyhead.serve.engine import Engine
from polyhead.serve.http import ServerSettings, create_app
from polyhead.serve.store import TaskStore
from polyhead.serve.ui import mount_ui
from polyhead.testing import tiny_model


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--backbone")
    parser.add_argument("--key", action="append", default=[])
    chosen = parser.parse_args()
    name = chosen.backbone
    serve(DistilBertModelWithHeads.from_pretrained(name) if name else tiny_model(), chosen)


def serve(model, chosen):
    engine = Engine(model)
    with TaskStore(model, chosen.folder) as store:
        app = create_app(engine, store, ServerSettings(api_keys=chosen.key))
        mount_ui(app, engine, store, api_keys=chosen.key)
        with engine, socket.create_server(("127.0.0.1", 0)) as listening:
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
            threading.Thread(target=stop_at_end_of_input, args=(server,), daemon=True).start()
            print(listening.getsockname()[1], flush=True)  # noqa: T201 - who started it reads this
            server.run(sockets=[listening])


def stop_at_end_of_input(server):
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()

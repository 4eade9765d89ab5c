"""A receiver of OTLP over HTTP, as a process: what an OpenTelemetry collector's door looks like from outside.

Run: `python tests/otlp_receiver.py PORT FOLDER`. Each body is written to the folder as it came, named by its order and its path; the answer is an
empty success. `tests/service/test_telemetry.py` reads the bodies.
"""

import gzip
import itertools
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main(port: int, folder: Path) -> None:
    numbers = itertools.count()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            kind = self.path.rpartition("/")[2]
            name = f"{next(numbers):04d}.{kind}"
            (folder / f"{name}.headers").write_text(str(self.headers))
            (folder / name).write_bytes(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

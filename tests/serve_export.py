"""Serve an ONNX export over the Open Inference Protocol, for the smoke test: `python serve_export.py FOLDER`.

It runs the very module that the export carries for MLServer, behind the standard library's HTTP server, with the few names of MLServer
that the module uses; where MLServer is installed, `mlserver start FOLDER` serves the same folder.
"""

import asyncio
import importlib.util
import json
import sys
import types
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace


def stand_in() -> None:
    """Put the four names of MLServer that the module imports in its place."""
    server, codecs, kinds = (types.ModuleType(name) for name in ("mlserver", "mlserver.codecs", "mlserver.types"))

    class MLModel:
        def __init__(self, settings):
            self.settings, self.name = settings, settings.name

    server.MLModel, server.types, server.codecs = MLModel, kinds, codecs
    kinds.InferenceRequest = SimpleNamespace
    kinds.InferenceResponse = SimpleNamespace
    codecs.StringCodec = SimpleNamespace(
        decode_input=lambda one: list(one.data),
        encode_output=lambda name, data: {"name": name, "shape": [len(data)], "datatype": "BYTES", "data": data},
    )
    codecs.NumpyCodec = SimpleNamespace(
        encode_output=lambda name, data: {"name": name, "shape": list(data.shape), "datatype": "FP32", "data": data.ravel().tolist()}
    )  # fmt: skip
    sys.modules |= {"mlserver": server, "mlserver.codecs": codecs, "mlserver.types": kinds}


def load(folder: Path):
    """Return the export's own runtime, loaded as its settings say."""
    settings = json.loads((folder / "model-settings.json").read_text())
    module, _, name = settings["implementation"].partition(".")
    spec = importlib.util.spec_from_file_location(module, folder / f"{module}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[module] = found
    spec.loader.exec_module(found)
    uri = folder / settings["parameters"]["uri"]
    model = getattr(found, name)(SimpleNamespace(name=settings["name"], parameters=SimpleNamespace(uri=str(uri))))
    asyncio.run(model.load())
    return model


def main(folder: Path) -> None:
    """Serve until the process is ended; the address is the first line on standard output."""
    stand_in()
    model = load(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            inputs = [SimpleNamespace(**one) for one in body["inputs"]]
            answer = asyncio.run(model.predict(SimpleNamespace(inputs=inputs)))
            data = json.dumps({"model_name": answer.model_name, "outputs": answer.outputs}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

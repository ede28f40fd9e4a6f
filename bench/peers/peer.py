"""The PyTorch side of the benchmarks: `peer.py eager|compile cpu|gpu`; without CUDA `gpu` is the CPU, too.

Requests are JSON lines on standard input and replies JSON lines on descriptor 3 (see bench/protocol.ts), so that what a
library prints disturbs nothing. One thread.
"""

import gc
import json
import os
import sys
import time
import traceback

import torch

from kinds import build

DTYPES = {"float32": torch.float32, "int32": torch.int32}


def read_arrays(file, device):
    with open(file["path"], "rb") as stream:
        data = bytearray(stream.read())
    arrays = {}
    for entry in file["entries"]:
        count = 1
        for side in entry["shape"]:
            count *= side
        flat = torch.frombuffer(data, dtype=DTYPES[entry["dtype"]], count=count, offset=entry["offset"])
        arrays[entry["name"]] = flat.reshape(entry["shape"]).clone().to(device)
    return arrays


def write_arrays(path, arrays):
    entries, offset = [], 0
    with open(path, "wb") as stream:
        for name, tensor in arrays.items():
            data = tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
            stream.write(data)
            entries.append({"name": name, "dtype": "float32", "shape": list(tensor.shape), "offset": offset})
            offset += len(data)
    return entries


class Peer:
    def __init__(self, compiled, device):
        self.compiled, self.device, self.work = compiled, device, None

    def answer(self, request):
        op = request["op"]
        if op == "prepare":
            inputs = read_arrays(request["inputs"], self.device)
            built = build(request["kind"], request["params"], inputs, self.compiled)
            if isinstance(built, str):
                return {"unsupported": built}
            self.work = built
            written = request["outputs"] is not None
            outputs = write_arrays(request["outputs"], self.work.outputs()) if written else []
            if self.compiled:
                for _ in range(2):  # the second call still specialises some graphs
                    self.work.run()
            return {"outputs": outputs, "version": f"{torch.__version__} on {self.device}"}
        if op == "run":
            self.settle()
            start = time.perf_counter()
            for _ in range(request["repeat"]):
                self.work.run()
            self.settle()
            return {"ms": (time.perf_counter() - start) * 1e3 / request["repeat"]}
        if op == "release":
            self.work = None
            if self.compiled:
                torch._dynamo.reset()
        gc.collect()
        return {"done": True}

    def settle(self):
        if self.device == "cuda":
            torch.cuda.synchronize()


def main():
    mode, wanted = sys.argv[1:3]
    device = "cuda" if wanted == "gpu" and torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    replies = os.fdopen(3, "w")
    peer = Peer(mode == "compile", device)
    for line in sys.stdin:
        try:
            reply = peer.answer(json.loads(line))
        except Exception:
            reply = {"error": traceback.format_exc(limit=8)}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()

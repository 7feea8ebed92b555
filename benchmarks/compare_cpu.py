#!/usr/bin/env python3
"""ssam's jobs on this machine's processor, beside the same jobs in PyTorch, ONNX Runtime and OpenVINO where they are
installed (pip install torch onnx onnxscript onnxruntime openvino). Every contestant of a row is a process of its own; they
take turns, so that what else the machine does hits all of them. What is told is the median of the rounds and the kernel's
peak of the process's memory.

Writes OUT/cpu.json (every time), OUT/cpu.md (tables) and OUT/cpu.svg (the first table drawn); with the OUT that is kept in
the tree also the README's table. A part that is not run stays as it was.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import cpu_tables

HERE = pathlib.Path(__file__).resolve().parent
STEPS = [
    ("encoder", 1024, 1),
    ("encoder", 256, 1),
    ("ssam", 256, 1),
    ("ssam", 256, 4),
    ("ssam", 256, 8),
    ("lora", 256, 4),
    ("full", 256, 4),
]
SIZES = [(work, image, batch) for work in ("encoder", "ssam") for image in (256, 512, 1024) for batch in (1, 4, 16)]
LABELS = 8  # of one image, asked for together or one by one


class Contestant:
    """A process that does one job, step by step, when it is asked to."""

    def __init__(self, name, command):
        self.name, self.times, self.failure = name, [], None
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.start = self.read()

    def read(self):
        """The answer to what was asked last; None, for good, once the process has ended (out of memory, for one)."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.process.wait()
        self.log.seek(0)
        words = self.log.read().strip().splitlines() or [f"ended with {self.process.returncode}"]
        self.failure = words[-1][:200]
        return None

    def ask(self, question):
        if self.failure:
            return None
        try:
            self.process.stdin.write(question + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.read()

    def step(self, counts):
        answer = self.ask("step")
        if answer and counts:
            self.times.append(answer["seconds"])

    def result(self):
        result = {"name": self.name}
        memory = self.ask("memory")
        if memory:
            result |= {"seconds": statistics.median(self.times), "times": self.times, "bytes": memory["bytes"]}
        else:
            result["failure"] = self.failure
        return result

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:  # it has died, and what was asked last is still in the buffer
            pass
        self.process.stdout.close()
        self.process.wait()


def installed(library):
    return importlib.util.find_spec(library) is not None


def flags():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    lines = (line.split(":")[1] for line in text.splitlines() if line.startswith(("flags", "Features")))
    return set(next(lines, "").split())


def has_bf16():
    return bool({"amx_bf16", "avx512_bf16", "bf16"} & flags())


def available_memory():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    return 0


def machine(threads):
    text = subprocess.run(["lscpu"], capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}).stdout
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    wanted = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "asimd")
    return {
        "processor": f"{fields.get('Model name', platform.machine())} (family {fields.get('CPU family', '?')}, "
        f"model {fields.get('Model', '?')})",
        "instructions": next((flag for flag in wanted if flag in flags()), "none of " + ", ".join(wanted)),
        "bf16": has_bf16(),
        "virtual": "Hypervisor vendor" in fields,
        "cores": os.cpu_count(),
        "threads": threads,
        "load": os.getloadavg()[0],
        "versions": {
            library: importlib.import_module(library).__version__.split("+")[0].split("-")[0]
            for library in ("torch", "onnxruntime", "openvino")
            if installed(library)
        },
    }


class Comparison:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.TemporaryDirectory()

    def ours(self, device, work, image, batch, labels=1):
        command = [self.options.bench, work, image, batch, labels]
        command += ["--device", device, "--threads", self.options.threads, "--served"]
        return ("ssam " + device.removeprefix("cpu").strip("_")).strip(), command

    def peers(self, work, image, batch):
        """(name, command) of what else can do this job."""
        peer = lambda *words: [sys.executable, HERE / "cpu_peers.py", *words]
        job = [image, batch, self.options.threads]
        precisions = ["fp32", "bf16"] if has_bf16() else ["fp32"]
        if installed("torch"):
            forms = {"PyTorch": work} | ({"PyTorch by hand": "ssam_factored"} if work == "ssam" else {})
            for name, form in forms.items():
                for precision in precisions:
                    yield f"{name} {precision}", peer("torch", precision, form, *job)
        if work != "encoder" or not (installed("torch") and installed("onnx") and installed("onnxscript")):
            return
        model = pathlib.Path(self.folder.name) / f"encoder_{image}_{batch}.onnx"
        if not model.exists():
            done = subprocess.run(map(str, peer("export", "fp32", work, *job, model)), capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"the encoder could not be written as ONNX:\n{done.stderr}")
        if installed("onnxruntime"):
            yield "ONNX Runtime fp32", peer("onnxruntime", "fp32", work, *job, model)
        if installed("openvino"):
            for precision in precisions:
                yield f"OpenVINO {precision}", peer("openvino", precision, work, *job, model)

    def row(self, contestants):
        """One warm-up and the rounds, all in turn. -> results, and what the first contestant says of itself."""
        runs = []
        try:
            for name, command in contestants:
                runs.append(Contestant(name, command))
            for turn in range(1 + self.options.rounds):
                for run in runs:
                    run.step(counts=turn > 0)
            results = [run.result() for run in runs]
            first = runs[0]
            about = {
                "flops": (first.start or {}).get("flops"),
                "provider": (first.start or {}).get("provider"),
                "attention": (first.ask("attention") or {}).get("seconds"),
                "fma": (first.ask("fma") or {}).get("flops_per_second"),
            }
        finally:
            for run in runs:
                run.close()
        for result in results:
            print("  {:28} {}".format(result["name"], cpu_tables.cell(result)), file=sys.stderr, flush=True)
        return {"results": results} | about

    def steps(self):
        for work, image, batch in STEPS:
            print(f"{work}, {image} px, batch {batch}", file=sys.stderr)
            contestants = [self.ours(device, work, image, batch) for device in self.options.devices]
            contestants += list(self.peers(work, image, batch))
            yield {"work": work, "image": image, "batch": batch} | self.row(contestants)

    def labels(self):
        print(f"{LABELS} labels of an image", file=sys.stderr)
        contestants = []
        for device in self.options.devices:
            for way, batch, labels in ("one by one", LABELS, 1), ("together", 1, LABELS):
                name, command = self.ours(device, "ssam", 256, batch, labels)
                contestants.append((f"{name}, {way}", command))
        yield {"labels": LABELS} | self.row(contestants)

    def sizes(self):
        """Ours alone. What would not fit into memory, by the two batches before it, is not run."""
        known = {}
        for work, image, batch in SIZES:
            print(f"{work}, {image} px, batch {batch}", file=sys.stderr)
            small = [known.get((work, image, b)) for b in (1, 4)]
            expected = None
            if batch > 4 and all(small):
                expected = small[1] + (small[1] - small[0]) / 3 * (batch - 4)
            elif batch == 4 and small[0]:
                expected = 4 * small[0]
            row = {"work": work, "image": image, "batch": batch}
            if expected and expected > available_memory():
                yield row | {"expected": expected}
                continue
            row |= self.row([self.ours(self.options.devices[0], work, image, batch)])
            known[work, image, batch] = row["results"][0].get("bytes")
            yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/release/benchmarks/bench_steps", help="ssam's side (%(default)s)")
    parser.add_argument("--devices", nargs="+", default=["cpu", "cpu_bf16"] if has_bf16() else ["cpu"],
                        help="of ssam's side (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every contestant (all cores)")
    parser.add_argument("--rounds", type=int, default=5, help="that count, after a warm-up (%(default)s)")
    parser.add_argument("--parts", nargs="+", choices=["steps", "labels", "sizes"], default=["steps", "labels", "sizes"])
    parser.add_argument("--out", type=pathlib.Path, default=cpu_tables.RESULTS, help="folder (%(default)s)")
    options = parser.parse_args()
    # As the program `ssam` does. Contestants wait for their turn, and a waiting thread must not take a core from another.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "cpu.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    comparison = Comparison(options)
    for part in options.parts:
        rows = []
        told[part] = {"machine": machine(options.threads) | {"rounds": options.rounds}, "rows": rows}
        for row in getattr(comparison, part)():
            rows.append(row)
            path.write_text(json.dumps(told, indent=1) + "\n")
            cpu_tables.write(options.out)
    print((options.out / "cpu.md").read_text())


if __name__ == "__main__":
    main()

"""One job in another library, as bench_steps --served does it in ours: what each line of stdin asks for (step, memory) is
done and answered with a line of JSON.

cpu_peers.py LIBRARY PRECISION WORK IMAGE BATCH THREADS [MODEL]

LIBRARY: torch, onnxruntime, openvino; or export, which writes the image encoder to MODEL for the latter two and ends.
PRECISION: fp32, bf16. WORK: encoder, or a training step, one of pytorch_models.METHODS.
"""

import json
import sys
import time


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def torch_step(precision, work, image, batch, threads):
    import torch

    from pytorch_models import Encoder, Trained, mask_loss

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    images = torch.randn(batch, 3, image, image)
    if work == "encoder":
        model = Encoder(image, torch.nn.Linear).eval()

        def embed():
            with torch.inference_mode(), autocast():
                model(images)

        return embed

    model = Trained(image, work).train()
    if batch == 1:
        model.text.eval()  # a single sample has no variance
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-4, fused=True)
    text, masks = torch.randn(batch, 512), (torch.rand(batch, image, image) > 0.5).float()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            probability = model(images, text)
        mask_loss(probability, masks).backward()
        optimizer.step()

    return step


def random_images(batch, image):
    import numpy

    return numpy.random.default_rng(0).standard_normal((batch, 3, image, image), dtype=numpy.float32)


def onnxruntime_step(model, image, batch, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    images = {session.get_inputs()[0].name: random_images(batch, image)}
    return lambda: session.run(None, images)


def openvino_step(precision, model, image, batch, threads):
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    images = random_images(batch, image)
    return lambda: compiled(images)


def export(model, image, batch):
    import torch

    from pytorch_models import Encoder

    torch.manual_seed(0)
    encoder = Encoder(image, torch.nn.Linear).eval()
    # The fused attention of the CPU answers in another order of memory than what it is written out as.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        torch.onnx.export(encoder, (torch.randn(batch, 3, image, image),), model, dynamo=True, verbose=False)


def main():
    library, precision, work = sys.argv[1:4]
    image, batch, threads = (int(x) for x in sys.argv[4:7])
    model = sys.argv[7] if len(sys.argv) > 7 else None
    if library == "export":
        return export(model, image, batch)
    if library == "torch":
        step = torch_step(precision, work, image, batch, threads)
    elif library == "onnxruntime":
        step = onnxruntime_step(model, image, batch, threads)
    else:
        step = openvino_step(precision, model, image, batch, threads)

    def say(**answer):
        print(json.dumps(answer), flush=True)

    say(threads=threads)
    for line in sys.stdin:
        if line.strip() == "step":
            begin = time.perf_counter()
            step()
            say(seconds=time.perf_counter() - begin)
        elif line.strip() == "memory":
            say(bytes=peak_memory())


if __name__ == "__main__":
    main()

"""The jobs of bench_cuda in PyTorch, to compare with: eager and compiled, with its fused attention.

pytorch_reference.py [STEPS]. The same model with random weights (pytorch_models.py), S-SAM's layers as its authors
published them, dice + focal loss, fused AdamW.
"""

import functools
import gc
import statistics
import sys

import torch
from torch import nn

from pytorch_models import Encoder, Trained, mask_loss


def median_time(steps, run):
    times = []
    for step in range(-5, steps):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        if step >= 0:
            times.append(begin.elapsed_time(end))
    return statistics.median(times)


def embed(size, batch, steps, compiled, autocast):
    model = Encoder(size, nn.Linear).cuda().eval()
    call = torch.compile(model) if compiled else model
    images = torch.randn(batch, 3, size, size, device="cuda")

    def run():  # as in training, weights are converted every time
        with torch.no_grad(), autocast():
            call(images)

    return median_time(steps, run)


def train(size, batch, steps, compiled, autocast):
    model = Trained(size, "ssam").cuda().train()
    call = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-4, fused=True)
    images = torch.randn(batch, 3, size, size, device="cuda")
    text = torch.randn(batch, 512, device="cuda")
    masks = (torch.rand(batch, size, size, device="cuda") > 0.5).float()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = mask_loss(call(images, text), masks)
        loss.backward()
        optimizer.step()

    return median_time(steps, step)


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    if not torch.cuda.is_available():
        print("skipped: PyTorch sees no GPU")
        return
    print(f"PyTorch {torch.__version__} on {torch.cuda.get_device_name()}, {steps} steps each")
    for precision in ("fp32", "tf32", "bf16"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        autocast = functools.partial(torch.autocast, "cuda", torch.bfloat16, enabled=precision == "bf16")
        print(f"\n{precision}\n  {'':28} {'eager ms':>12} {'memory MiB':>12} {'compiled ms':>12} {'memory MiB':>12}")
        for name, job, size, batch in (
            ("embed", embed, 1024, 1),
            ("embed", embed, 1024, 8),
            ("S-SAM step", train, 256, 32),
            ("S-SAM step", train, 1024, 4),
        ):
            cells = []
            for compiled in (False, True):
                torch.compiler.reset()
                gc.collect()
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
                try:
                    time = job(size, batch, steps, compiled, autocast)
                    cells.append(f"{time:12.2f} {torch.cuda.max_memory_allocated() / 2**20:12.0f}")
                except Exception as error:  # out of memory, or nothing to compile with: the other cells are wanted
                    cells.append(f"{type(error).__name__[:25]:>25}")
            print(f"  {name + f' {size} batch {batch}':28} {cells[0]} {cells[1]}", flush=True)


if __name__ == "__main__":
    main()

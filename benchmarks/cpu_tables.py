"""What compare_cpu.py measured, as Markdown and SVG. Run alone it writes both anew from results/cpu.json."""

import html
import json
import pathlib
import textwrap

WORK = {
    "encoder": "SAM encoder",
    "ssam": "S-SAM step",
    "lora": "LoRA step",
    "full": "full fine-tuning step",
}
RESULTS = pathlib.Path(__file__).resolve().parent / "results"
BEGIN, END = "<!-- cpu.md: steps -->", "<!-- cpu.md: end -->"


def gigabytes(count):
    return f"{count / 1e9:.2f}" if count < 9.95e9 else f"{count / 1e9:.0f}"


def number(seconds):
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def cell(result, reference=None):
    """Seconds [GB], and how many times as long as `reference` that is."""
    if "seconds" not in result:
        return "failed"
    text = f"{number(result['seconds'])} [{gigabytes(result['bytes'])}]"
    return text if not reference else f"{text} {result['seconds'] / reference:.2f}x"


def row_name(row):
    return f"{WORK[row['work']]}, {row['image']} px, batch {row['batch']}"


def machine_line(about):
    versions = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
    peers = ", ".join(f"{versions[key]} {value}" for key, value in about["versions"].items())
    kind = f"{about['processor']}, {about['instructions']}, {about['cores']} cores"
    kind += " of a virtual machine" if about["virtual"] else ""
    kind += "" if about.get("bf16") else ", no instructions for bf16 (rows of it are left out)"
    busy = about["load"] / about["cores"]
    shared = f", shared: {about['load']:.1f} other threads were running at the start" if busy > 0.2 else ""
    return f"{kind}{shared}; {about['threads']} threads, median of {about['rounds']} rounds" + (f"; {peers}" if peers else "")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def shares(row):
    """Of the FMA rate, and of attention; ssam's own first column."""
    ours = row["results"][0]
    if "seconds" not in ours or not row.get("fma"):
        return ["", ""]
    needed = row["flops"]["total"] / row["fma"]
    return [f"{100 * needed / ours['seconds']:.0f}%", f"{100 * row['attention'] / ours['seconds']:.0f}%"]


def steps(part):
    rows = part["rows"]
    names = list(dict.fromkeys(result["name"] for row in rows for result in row["results"]))
    body = []
    for row in rows:
        results = {result["name"]: result for result in row["results"]}
        first = row["results"][0].get("seconds")
        cells = [cell(results[name], i > 0 and first) if name in results else "" for i, name in enumerate(names)]
        body.append([row_name(row), cells[0], *shares(row), *cells[1:]])
    rate = max((row["fma"] for row in rows if row.get("fma")), default=0) * 1e-9
    about = (
        f"{machine_line(part['machine'])}. FMA rate of fp32, measured beside each row: {rate:.0f} GFLOP/s at most. Training "
        "steps include loss and AdamW, S-SAM's not the decomposition. PyTorch runs S-SAM as its authors form the weight; by "
        "hand: factored, as ssam does."
    )
    return [
        BEGIN,
        f"Seconds, [peak of the process's memory in GB], times as long as `{names[0]}`:",
        "",
        *table(["SAM ViT-B", names[0], "of FMA rate", "attention", *names[1:]], body),
        "",
        *textwrap.wrap(about, 125, break_on_hyphens=False),
        END,
    ]


def labels(part):
    lines = []
    for row in part["rows"]:
        ran = [result for result in row["results"] if "seconds" in result]
        body = [[r["name"], cell(r), f"{row['labels'] / r['seconds']:.2f}"] for r in ran]
        lines += [f"S-SAM steps at 256 px with {row['labels']} labels of one image:", ""]
        lines += table(["labels of an image", "s [GB] a step", "(image, label) pairs per second"], body)
    return [*lines, "", *textwrap.wrap(machine_line(part["machine"]) + ".", 125)]


def growth(before, after):
    """Why a row takes longer than the one before it: a sentence."""
    if after.get("expected"):
        return f"not run: would need about {gigabytes(after['expected'])} GB of memory"
    if not before or "seconds" not in after["results"][0]:
        return ""
    times = lambda key: after["flops"][key] / before["flops"][key]
    slower = after["results"][0]["seconds"] / before["results"][0]["seconds"]
    if after["batch"] != before["batch"]:
        reason = f"{after['batch'] / before['batch']:.0f}x the images, {times('total'):.1f}x the operations"
        held = after["results"][0]["bytes"] - before["results"][0]["bytes"]
        each = max(0, held) / (after["batch"] - before["batch"])
        return f"{reason}, {slower:.1f}x the time; {gigabytes(each)} GB for each image more"
    pixels = (after["image"] / before["image"]) ** 2
    return (
        f"{pixels:.0f}x the tokens: linear layers {times('linear'):.1f}x, windows {times('windows'):.1f}x, "
        f"global attention {times('global'):.0f}x, together {times('total'):.1f}x the operations, {slower:.1f}x the time"
    )


def sizes(part):
    body, known = [], {}
    for row in part["rows"]:
        key = row["work"], row["image"], row["batch"]
        smaller = [known.get((row["work"], row["image"], b)) for b in (1, 4) if b < row["batch"]]
        before = smaller[-1] if smaller else known.get((row["work"], row["image"] // 2, row["batch"]))
        if "results" in row:
            result = row["results"][0]
            if "seconds" in result:
                known[key] = row
                rate = f"{row['flops']['total'] / result['seconds'] * 1e-9:.0f}"
                cells = [number(result["seconds"]), gigabytes(result["bytes"]), rate]
            else:
                cells = ["failed", "", ""]
        else:
            cells = ["", "", ""]
        body.append([WORK[row["work"]], str(row["image"]), str(row["batch"]), *cells, growth(before, row)])
    head = ["work, ViT-B", "px", "batch", "s", "GB", "GFLOP/s", "growth"]
    lines = ["Size and batch, `ssam` alone (batches against the smaller one, sizes against half the side):", ""]
    return lines + table(head, body) + ["", *textwrap.wrap(machine_line(part["machine"]) + ".", 125)]


def markdown(told):
    lines = ["# ssam on a processor", "", "Written by `benchmarks/compare_cpu.py`; every time is in `cpu.json`.", ""]
    for name, write in ("steps", steps), ("labels", labels), ("sizes", sizes):
        if name in told:
            lines += [*write(told[name]), ""]
    return "\n".join(lines).rstrip() + "\n"


def svg(part):
    """Bars of time, each row scaled to its slowest."""
    left, bar, width, line = 250, 330, 720, 17
    y, body = 10, []
    text = lambda x, at, words, more="": body.append(f'<text x="{x}" y="{at}"{more}>{html.escape(words)}</text>')
    for row in part["rows"]:
        y += 16
        text(8, y, row_name(row), ' font-weight="bold"')
        slowest = max((r["seconds"] for r in row["results"] if "seconds" in r), default=1)
        for result in row["results"]:
            y += line
            text(left - 8, y, result["name"], ' text-anchor="end"')
            length = bar * result.get("seconds", 0) / slowest
            colour = "#1f6feb" if result["name"].startswith("ssam") else "#b0b7c0"
            body.append(f'<rect x="{left}" y="{y - 11}" width="{length:.1f}" height="13" fill="{colour}"/>')
            words = "failed" if "seconds" not in result else (
                f"{number(result['seconds'])} s, {gigabytes(result['bytes'])} GB"
            )
            text(left + length + 6, y, words)
        y += 10
    for words in textwrap.wrap(machine_line(part["machine"]), 125):
        y += 14
        text(8, y, words, ' font-size="10"')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 10}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


def write(folder):
    """The tables and the drawing of folder/cpu.json; where that is the tree's own, the README's table, too."""
    told = json.loads((folder / "cpu.json").read_text())
    text = markdown(told)
    (folder / "cpu.md").write_text(text)
    if "steps" not in told:
        return
    (folder / "cpu.svg").write_text(svg(told["steps"]))
    if folder.resolve() == RESULTS:
        readme = RESULTS.parent.parent / "README.md"
        page = readme.read_text()
        block = text[text.index(BEGIN) : text.index(END)]
        readme.write_text(page[: page.index(BEGIN)] + block + page[page.index(END) :])


if __name__ == "__main__":
    write(RESULTS)

"""Whether the job of this folder can run here: python check.py. Prints a line of JSON a check; trains and writes nothing."""

import importlib.metadata
import json
import os
import shutil
import sys
import time
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """What is wrong, and what to do."""


def check(name, look):
    """Prints what `look` finds. Returns whether it found nothing wrong."""
    try:
        ok, text = True, look()
    except Failed as error:
        ok, text = False, str(error)
    except SystemExit as error:
        ok, text = False, str(error)
    except Exception as error:  # whatever a library says: the person is to see it, and the next check is to be made
        ok, text = False, f"{type(error).__name__}: {error}"
    print(json.dumps({"name": name, "ok": ok, "text": text}), flush=True)
    return ok


def python_version():
    if sys.version_info < (3, 10):
        raise Failed(f"Python {sys.version.split()[0]} at {sys.executable}: train.py needs 3.10 or later; make the job with --python")
    return f"Python {sys.version.split()[0]} at {sys.executable}"


def packages():
    found, missing = [], []
    with open(os.path.join(HERE, "requirements.txt"), encoding="utf-8") as file:
        for name, _, wanted in (line.strip().partition("==") for line in file if line.strip()):
            try:
                version = importlib.metadata.version(name)
                same = version.partition("+")[0] == wanted
                found.append(f"{name} {version}" + ("" if same else f" (train.py is tested with {wanted})"))
            except importlib.metadata.PackageNotFoundError:
                missing.append(name)
    if missing:
        raise Failed(f"{' and '.join(missing)} not found by {sys.executable}: pip install -r requirements.txt, or make the job with --python")
    return ", ".join(found)


def gpus(job, settings):
    import torch

    count, wanted = torch.cuda.device_count(), job.launch.processes
    if settings.dist_backend == "nccl" and count < wanted or 0 < count < wanted:
        raise Failed(f"{count} GPUs here, but the job is for {wanted} processes a machine: make it with --processes {max(count, 1)}")
    if not count:
        return f"no GPU here: {wanted} processes would train on its {os.cpu_count()} CPU cores"
    return f"{count} GPUs, {torch.cuda.get_device_name(0)}"


def data(job):
    import images

    path = job.request.dataPath
    names = images.output_names(path, job.images, job.network.classes)
    counts = [len(images.list_images(path, split, names)) for split in ("train", "val")]
    return f"{counts[0]} images for training, {counts[1]} for validation, {len(names)} classes in {path}"


def disk(job, settings):
    weights = os.path.getsize(os.path.join(HERE, job.network.weights))
    slots = 2 if settings.opt in ("adamw", "rmsprop") else 1
    latest = weights * (1 + slots + bool(settings.model_ema))
    kept = settings.epochs // settings.checkpoint_interval if settings.checkpoint_interval > 0 else 0
    # A file that is replaced lies beside its successor for a moment.
    need, free = 2 * latest + (2 + kept) * weights, shutil.disk_usage(HERE).free
    sizes = f"{free / 1e9:.1f} GB free at {HERE}, {need / 1e9:.1f} GB needed for checkpoints"
    if free < need:
        raise Failed(f"{sizes}: free some space, or make the job with a larger --checkpoint-interval or 0")
    return sizes


def one_step(job, settings):
    """A step of one process, with nothing written."""
    import torch

    import train

    settings = SimpleNamespace(**{**vars(settings), "workers": 0})
    with open(os.devnull, "w") as nothing:
        shown, sys.stdout = sys.stdout, nothing
        try:
            trainer = train.Trainer(job, settings)
        finally:
            sys.stdout = shown
    trainer.parallel = trainer.model.train()
    if settings.model_ema:
        trainer.average = {k: v.clone() for k, v in trainer.model.state_dict().items() if v.is_floating_point()}
    parts, since = trainer.batches.parts(0), time.monotonic()
    trainer.step(iter(trainer.loader), parts)
    loss = trainer.last["loss"]
    if loss != loss or abs(loss) == float("inf"):
        raise Failed(f"the first step has a loss of {loss}: make the job with a lower --lr or a warm-up")
    memory = f", {torch.cuda.max_memory_allocated() / 1e9:.1f} GB of GPU memory" if train.CUDA else ""
    return f"loss {loss:.4g}, {time.monotonic() - since:.1f} s with loading{memory}"


def main():
    if not check("python", python_version) or not check("packages", packages):
        return 1
    import run_folder

    job, settings, _ = run_folder.read_job()
    trains = job.kind == "train"
    results = [check("GPUs", lambda: gpus(job, settings)), check("data", lambda: data(job))]
    if trains:
        results.append(check("disk", lambda: disk(job, settings)))
    if trains and all(results):
        results.append(check("one step", lambda: one_step(job, settings)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Whether the job of this folder can run here: python check.py. Prints a line of JSON a check; trains and writes nothing."""

import importlib.metadata
import json
import os
import shutil
import sys
import time
import traceback
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """What is wrong, and what to do."""


def advice(error):
    """What to do about an error of a library."""
    if "out of memory" in str(error).lower():
        return "make the job with a smaller --batch-size (and more --grad-accum-steps for the same images a step)"
    if isinstance(error, (ImportError, OSError)):
        return "mend what it names; pip install -r requirements.txt installs what train.py is tested with"
    return f"{sys.executable} check.py in {HERE} says where it was: mend that there and check again"


def check(name, look):
    """Prints what `look` finds. Returns whether it found nothing wrong."""
    try:
        ok, text = True, look()
    except Failed as error:
        ok, text = False, str(error)
    except SystemExit as error:
        ok, text = False, str(error)
    except Exception as error:  # whatever a library says: the person is to see it, and the next check is to be made
        traceback.print_exc()
        own = type(error).__name__ == "UnreadableImage"
        ok, text = False, str(error) if own else f"{type(error).__name__}: {error}; {advice(error)}"
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
    parts = {"train": "for training", "val": "for validation"} if job.kind == "train" else {"train": "for training"}
    counts = [f"{len(images.list_images(path, split, names))} images {what}" for split, what in parts.items()]
    return f"{', '.join(counts).replace(' images for v', ' for v')}, {len(names)} classes in {path}"


def room(need, what, less):
    free = shutil.disk_usage(HERE).free
    sizes = f"{free / 1e9:.1f} GB free at {HERE}, {need / 1e9:.1f} GB needed for {what}"
    if free < need:
        raise Failed(f"{sizes}: {less}")
    return sizes


def disk(job, settings):
    weights = os.path.getsize(os.path.join(HERE, job.network.weights))
    if job.kind == "score":
        return room(weights, "gradients", "free some space")
    slots = 2 if settings.opt in ("adamw", "rmsprop") else 1
    latest = weights * (1 + slots + bool(settings.model_ema))
    kept = settings.epochs // settings.checkpoint_interval if settings.checkpoint_interval > 0 else 0
    # A file that is replaced lies beside its successor for a moment.
    less = "free some space, or make the job with a larger --checkpoint-interval or 0"
    return room(2 * latest + (2 + kept) * weights, "checkpoints", less)


def gpu_memory():
    import torch

    return f", {torch.cuda.max_memory_allocated() / 1e9:.1f} GB of GPU memory" if torch.cuda.is_available() else ""


def one_step(job, settings):
    """A step of one process, or a batch of its gradients, with nothing written."""
    import train

    if job.kind == "score":
        import score

        since = time.monotonic()
        score.one_batch(job, settings)
        return f"gradients of one batch, {time.monotonic() - since:.1f} s with loading{gpu_memory()}"
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
    return f"loss {loss:.4g}, {time.monotonic() - since:.1f} s with loading{gpu_memory()}"


def main():
    if not check("python", python_version) or not check("packages", packages):
        return 1
    import run_folder

    job, settings, _ = run_folder.read_job()
    looks = {"GPUs": lambda: gpus(job, settings), "data": lambda: data(job), "disk": lambda: disk(job, settings)}
    results = [check(name, look) for name, look in looks.items()]
    if all(results):
        results.append(check("one step", lambda: one_step(job, settings)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The files of a job: settings, weights (safetensors), metrics.jsonl, run.json. What lies there is whole at any moment."""

import contextlib
import datetime
import json
import os
import re
import struct
from types import SimpleNamespace

import torch

FOLDER = os.path.dirname(os.path.abspath(__file__))
TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
FAILURE = "failure.txt"
AVERAGE = "ema/"  # before the names of averaged weights in latest.safetensors


def place(name):
    return os.path.join(FOLDER, name)


def _snake(name):
    return re.sub(r"[A-Z]", lambda letter: "_" + letter.group().lower(), name)


def read_job():
    """job.json, and of it the flags' values under their names with underscores."""
    with open(place("job.json"), encoding="utf-8") as file:
        text = file.read()
    job = json.loads(text, object_hook=lambda fields: SimpleNamespace(**fields))
    values = {**vars(job.request.options), **vars(job.job)}
    settings = SimpleNamespace(**{_snake(key): value for key, value in values.items()})
    job.images = SimpleNamespace(**{_snake(key): value for key, value in vars(job.images).items()})
    return job, settings, json.loads(text)


def describe(settings):
    """Every setting as the flag that gives it, one a line."""
    for name, value in vars(settings).items():
        if value is not None and value is not False:
            yield f"  --{name.replace('_', '-')}" + ("" if value is True else f" {value}")


# Writing whole files -----------------------------------------------------------------------------------------------


def write_atomically(file, pieces):
    """Writes beside the file's place, flushes to disk, renames."""
    temporary = f"{file}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as out:
            for piece in pieces:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def remove_abandoned():
    """What killed processes have left half-written."""
    for name in os.listdir(FOLDER):
        if re.search(r"\.\d+\.tmp$", name):
            os.remove(place(name))


def write_safetensors(file, tensors, metadata):
    """Tensors by name: a header of JSON, its length before it, the numbers behind it."""
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        entry = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        header[name], offset = entry, offset + size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)

    def pieces():
        yield struct.pack("<Q", len(text))
        yield text
        for tensor in tensors.values():
            yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()

    write_atomically(file, pieces())


def read_safetensors(file):
    """Tensors by name, and the metadata."""
    with open(file, "rb") as opened:
        header = json.loads(opened.read(struct.unpack("<Q", opened.read(8))[0]))
        data = bytearray(opened.read())
    metadata = header.pop("__metadata__", {})
    types = {name: dtype for dtype, name in TYPES.items()}
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(data, dtype=torch.uint8, offset=start, count=end - start) if end > start else None
        dtype = types[entry["dtype"]]
        shape = entry["shape"]
        tensors[name] = torch.empty(shape, dtype=dtype) if flat is None else flat.clone().view(dtype).reshape(shape)
    return tensors, metadata


# The run -----------------------------------------------------------------------------------------------------------


def now():
    time = datetime.datetime.now(datetime.timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lock_folder():
    """Keeps a second run out of the folder until this process ends. Returns what must be kept."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    file = open(place(".run.lock"), "w")
    try:
        # Not flock: the processes that load images would go on holding it when this one is killed.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise SystemExit(f"Another run is being written into {FOLDER}: wait until it has ended, or stop it.") from None
    except OSError:  # a file system without locks
        pass
    return file


def write_run(state, job_json, *, backend, global_batch, started, **more):
    """run.json, as Espalier's own runs have it; its batch size is that of all processes together."""
    request = job_json["request"]
    options = {key: value for key, value in request["options"].items() if value is not None}
    options |= {"batchSize": global_batch, "outputDir": FOLDER}
    run = {
        "version": 1,
        "state": state,
        "request": {**request, "options": options},
        "model": job_json["network"]["name"],
        "backend": backend,
        "started": started,
        "cost": job_json["network"]["cost"],
        **more,
    }
    write_atomically(place("run.json"), [json.dumps(run, indent=2).encode() + b"\n"])


def write_scoring(**progress):
    """scoring.json: how many batches of all processes are done, of how many."""
    write_atomically(place("scoring.json"), [json.dumps(progress).encode() + b"\n"])


def reason_of(error):
    """What an exception says; of one in a process that loads images, its last line: the rest is where it was."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[-1].partition(": ")[2] if text.startswith("Caught ") else text


def note_failure(error):
    """Keeps why the process that failed first did so: the others only hear that it has gone. Returns that reason."""
    reason = reason_of(error)
    try:
        with open(place(FAILURE), "x", encoding="utf-8") as file:
            file.write(reason + "\n")
        return reason
    except FileExistsError:
        with open(place(FAILURE), encoding="utf-8") as file:
            return file.read().strip() or reason


def forget_failure():
    with contextlib.suppress(FileNotFoundError):
        os.remove(place(FAILURE))


def read_started():
    try:
        with open(place("run.json"), encoding="utf-8") as file:
            return json.load(file)["started"]
    except (OSError, ValueError, KeyError):
        return now()


def append_metrics(line):
    with open(place("metrics.jsonl"), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def rewind_metrics(epoch, step):
    """Drops the lines of what a run that goes on from there does again, and lines that a kill cut off."""
    kept = []
    try:
        with open(place("metrics.jsonl"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    for text in lines:
        try:
            line = json.loads(text)
            if line["epoch"] < epoch if line["kind"] == "epoch" else line["step"] < step:
                kept.append(text + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    write_atomically(place("metrics.jsonl"), ["".join(kept).encode()])


def read_order():
    """What is wanted of the run, by the file that Espalier's windows and `espalier job --stop` write."""
    try:
        with open(place("order.json"), encoding="utf-8") as file:
            return json.load(file)["action"]
    except (OSError, ValueError, KeyError, TypeError):
        return None

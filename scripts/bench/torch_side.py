"""PyTorch's side of the benchmark: reads one command a line, answers with one JSON line.

{"open": task} builds the model and runs it once; {"run": n} times n runs; {"close": true} ends.
Eager mode, channels_last for convolutional networks, as many threads as the task says. Decoding is torchvision's transforms on
Pillow, one thread. "engine" in the task takes another program in PyTorch's place: torch.compile, or ONNX Runtime or OpenVINO on the
exported ONNX file "onnx".
"""
import importlib.util
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F


def build(task):
    """timm's own model where timm is installed (fused attention and all), else Espalier's exported module."""
    try:
        import timm

        return timm.create_model(task["model"], num_classes=task["classes"]), f"timm {timm.__version__}"
    except Exception:
        spec = importlib.util.spec_from_file_location("exported", task["python"])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.Model(), "exported module"


def make_step(task, model, images, labels):
    if task["kind"] == "predict":
        model.eval()

        def step():
            with torch.inference_mode():
                model(images)

    elif task["kind"] == "train":
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)

        def step():
            optimizer.zero_grad(set_to_none=True)
            output = model(images)
            output = output[0] if isinstance(output, tuple) else output
            F.cross_entropy(output, labels).backward()
            optimizer.step()

    else:  # Taylor scoring: gradients in evaluation mode, added up over the batches
        model.eval()

        def step():
            F.cross_entropy(model(images), labels).backward()

    return step


def open_network(task):
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    model, source = build(task)
    images = torch.randn(task["batch"], 3, task["size"], task["size"])
    if task["layout"] == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    compiled = task.get("engine") == "torch.compile"
    if compiled:
        model = torch.compile(model)
    step = make_step(task, model, images, torch.arange(task["batch"]) % task["classes"])
    step()
    return step, f"PyTorch {torch.__version__} {'compiled' if compiled else 'eager'}, {source}"


def sample(task):
    import numpy

    return numpy.random.default_rng(0).standard_normal((task["batch"], 3, task["size"], task["size"]), dtype="float32")


def open_onnxruntime(task):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task["threads"]
    session = onnxruntime.InferenceSession(task["onnx"], options, providers=["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: sample(task)}

    def step():
        session.run(None, feeds)

    step()
    return step, f"ONNX Runtime {onnxruntime.__version__}"


def open_openvino(task):
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": task["threads"], "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(task["onnx"], "CPU", settings).create_infer_request()
    images = sample(task)

    def step():
        request.infer([images])

    step()
    return step, f"OpenVINO {openvino.__version__}"


def open_decode(task):
    import itertools

    import PIL
    import torchvision
    from PIL import Image
    from torchvision import transforms

    torch.set_num_threads(1)
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    files = itertools.cycle(task["files"])

    def step():
        transform(Image.open(next(files)).convert("RGB"))

    return step, f"torchvision {torchvision.__version__}, Pillow {PIL.__version__}"


def main():
    step = None
    for line in sys.stdin:
        command = json.loads(line)
        if "open" in command:
            task = command["open"]
            engines = {"ONNX Runtime": open_onnxruntime, "OpenVINO": open_openvino}
            opener = open_decode if task["kind"] == "decode" else engines.get(task.get("engine"), open_network)
            step, label = opener(task)
            answer = {"label": label}
        elif "run" in command:
            start, cpu = time.perf_counter(), time.process_time()
            for _ in range(command["run"]):
                step()
            answer = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(json.dumps({"peak": peak}), flush=True)
            return
        print(json.dumps(answer), flush=True)


main()

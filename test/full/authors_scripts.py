"""What the paper's evaluate.py and train.py do with a module that is loaded whole: authors_scripts.py FOLDER NAME:SIZE…

NAME.pth is loaded with weights_only=False, measured on imagesSIZE/test, trained for two steps as torchvision's reference script does (weight
decay groups, label smoothing, mixup, autocast, clipping, moving average, DistributedDataParallel), and saved as train.py saves its
checkpoints (NAME.checkpoint.pth), which is loaded again. Prints for each what was measured.
"""
import json
import os
import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)


def loader(data, split, size, batch):
    steps = [v2.Resize(size), v2.CenterCrop(size), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    normalize = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return DataLoader(ImageFolder(os.path.join(data, split), v2.Compose([*steps, normalize])), batch_size=batch)


def load(file):
    """As the scripts do: the module itself, or what a training left."""
    found = torch.load(file, map_location="cpu", weights_only=False)
    return found["model"] if isinstance(found, dict) else found


@torch.no_grad()
def evaluate(model, data, size):
    model.eval()
    correct = count = loss = 0
    for images, labels in loader(data, "test", size, 20):
        outputs = model(images)
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        loss += F.cross_entropy(outputs, labels, reduction="sum").item()
        correct += (outputs.argmax(1) == labels).sum().item()
        count += len(labels)
    return {"correct": correct, "images": count, "loss": loss / count}


def train(model, data, size, classes):
    norms = {id(p) for m in model.modules() if isinstance(m, NORMS) for p in m.parameters(recurse=False)}
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if id(p) in norms], "weight_decay": 0.0},
        {"params": [p for p in parameters if id(p) not in norms], "weight_decay": 0.05},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-4)
    ddp = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    ema = AveragedModel(model, avg_fn=lambda average, new, _: 0.9 * average + 0.1 * new, use_buffers=True)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    mixup = v2.MixUp(num_classes=classes)
    ddp.train()
    losses = []
    for _, (images, labels) in zip(range(2), loader(data, "train", size, 16)):
        images, targets = mixup(images, labels)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = ddp(images)
            heads = outputs if isinstance(outputs, tuple) else (outputs,)
            loss = sum(criterion(head, targets) for head in heads) / len(heads)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        ema.update_parameters(model)
        losses.append(loss.item())
    return {"model": model, "optimizer": optimizer.state_dict(), "epoch": 0, "model_ema": ema.module}, losses


def main():
    folder, *networks = sys.argv[1:]
    found = {}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    for name, size in (text.split(":") for text in networks):
        size, data = int(size), os.path.join(folder, f"images{size}")
        model = load(os.path.join(folder, name + ".pth"))
        before = evaluate(model, data, size)
        old = {key: value.clone() for key, value in model.state_dict().items()}
        checkpoint, losses = train(model, data, size, 10)
        file = os.path.join(folder, name + ".checkpoint.pth")
        torch.save(checkpoint, file)
        again = load(file)
        moved = [key for key, value in again.named_parameters() if not torch.equal(value, old[key])]
        found[name] = {
            **before,
            "losses": losses,
            "still": len(list(model.parameters())) - len(moved),
            "trained": evaluate(model, data, size)["loss"],
            "again": evaluate(again, data, size)["loss"],
        }
    dist.destroy_process_group()
    print(json.dumps(found))


main()

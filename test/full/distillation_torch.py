"""The paper's train.py on given images, in PyTorch: usage distillation_torch.py SETTINGS.json.

The settings name the pickled student, the teacher (timm's name and a safetensors file), the images (float32, [N, H, W, 3]),
and for every epoch the steps as lists of image numbers and labels. Prints the loss of every step, the teacher's labels
and this process's peak memory in bytes as JSON.
"""
import json
import os
import resource
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../engine/models"))
from timm_without_torchvision import timm  # noqa: E402


def attention(self, x):
    """timm's attention for pruned widths: the output is as wide as the heads, not as the input."""
    batch, tokens, _ = x.shape
    qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    weights = ((q * self.scale) @ k.transpose(-2, -1)).softmax(dim=-1)
    return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, -1))


def main():
    torch.set_num_threads(2)
    with open(sys.argv[1]) as file:
        settings = json.load(file)
    timm.models.vision_transformer.Attention.forward = attention
    student = torch.load(settings["student"], map_location="cpu", weights_only=False).train()
    student.distilled_training = True
    teacher = timm.create_model(settings["teacher"]).eval()
    teacher.load_state_dict(load_file(settings["teacher_ckpt"]), strict=True)
    side = settings["size"]
    images = np.fromfile(settings["images"], dtype="<f4").reshape(-1, side, side, 3)
    images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    criterion = nn.CrossEntropyLoss(label_smoothing=settings["label_smoothing"])
    optimizer = torch.optim.AdamW(student.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"])
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=len(settings["epochs"]))
    losses, taught = [], []
    for steps in settings["epochs"]:
        for step in steps:
            image, target = images[step["images"]], torch.tensor(step["labels"])
            output, distilled = student(image)
            with torch.no_grad():
                labels = teacher(image).max(1)[1]
            loss = 0.5 * criterion(distilled, labels) + 0.5 * criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            taught.append(labels.tolist())
        scheduler.step()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"losses": losses, "taught": taught, "peak": peak}))


main()

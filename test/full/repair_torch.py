"""Repair of a pruned CIFAR ResNet by the definition, in double precision: the normal equations with their column of ones written out.

usage: repair_torch.py FOLDER: `dense.safetensors`, `pruned.safetensors`, `images.safetensors` (`fitted`, `held`: [N, H, W, C]) and `kept.json`
({parameter: [indices or null of every dimension]}); writes `expected.safetensors` with every repaired tensor.
"""
import json
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

torch.set_grad_enabled(False)
torch.set_default_dtype(torch.float64)
folder = sys.argv[1]
ROUNDS = 1
LAMBDAS = [1e-3, 1e-2, 1e-1, 1.0]


def doubles(name):
    return {k: v.double() for k, v in load_file(f"{folder}/{name}").items() if v.is_floating_point()}


dense, pruned = doubles("dense.safetensors"), doubles("pruned.safetensors")
images = {k: v.permute(0, 3, 1, 2) for k, v in doubles("images.safetensors").items()}
kept = json.load(open(f"{folder}/kept.json"))
changed = {}


def outputs_kept(weight):
    rows = kept[weight][0]
    return torch.arange(dense[weight].shape[0]) if rows is None else torch.tensor(rows)


def batch_norm(w, name, x):
    return F.batch_norm(x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-5)


def solve(h, g, w0, lam):
    """(H + λD) W = G + λD W₀ over inputs and the constant; D is the mean of H's diagonal, 0 for the constant."""
    n = w0.shape[0]
    d = torch.full((n + 1,), h.diagonal()[:n].mean())
    d[n] = 0
    prior = torch.cat([w0, torch.zeros(1, w0.shape[1])])
    return torch.linalg.solve(h + lam * torch.diag(d), g + lam * d[:, None] * prior)


def fit(x, y, w0):
    """x, y: rows of the fitted and the held-out images; w0: [inputs, outputs]. Weights and constant."""
    ones = {k: torch.cat([v, torch.ones(v.shape[0], 1)], 1) for k, v in x.items()}
    rows = ones["fitted"].shape[0]
    h = ones["fitted"].T @ ones["fitted"] / rows
    g = ones["fitted"].T @ y["fitted"] / rows
    tried = []
    for lam in LAMBDAS if rows < 20 * w0.shape[0] else LAMBDAS[:1]:
        w = solve(h, g, w0, lam)
        tried.append((((ones["held"] @ w - y["held"]) ** 2).sum().item(), len(tried), w))
    w = min(tried)[2]
    return w[:-1], w[-1]


def rectified(wanted, shown, norm, other):
    """Targets where a ReLU follows: what is not passed of the dense network may stay as it is, or comes down to the border.

    wanted: [N, O, h, w] targets; shown: the layer's outputs as fitted last, the constant in; other: what is added behind the norm.
    """
    w = {k: dense[f"{norm}.{k}"][outputs_kept(f"{norm}.weight")][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")}
    slope = w["weight"] / torch.sqrt(w["running_var"] + 1e-5)
    taken = lambda y: (y - w["running_mean"]) * slope + w["bias"] + other
    return torch.where(taken(wanted) > 0, wanted, shown - F.relu(taken(shown)) / slope)


def rows_of(x, kernel, stride, padding):
    patches = F.unfold(x, kernel, padding=padding, stride=stride)
    return patches.transpose(1, 2).reshape(-1, patches.shape[1])


def repair_conv(name, norm, x, y, stride, other):
    """x: what comes in; y: [N, O, h, w] targets of its outputs; other: what is added behind the norm, before the ReLU.

    The new weight, and the running mean less the constant.
    """
    weight = pruned[f"{name}.weight"]
    k = weight.shape[2]
    flat = {s: rows_of(x[s], k, stride, k // 2) for s in x}
    prior = weight.reshape(weight.shape[0], -1).T
    as_rows = lambda v: v.permute(0, 2, 3, 1).reshape(-1, v.shape[1])
    w, c = fit(flat, {s: as_rows(y[s]) for s in y}, prior)
    for _ in range(ROUNDS):
        now = {s: F.conv2d(x[s], w.T.reshape(weight.shape), c, stride=stride, padding=k // 2) for s in x}
        w, c = fit(flat, {s: as_rows(rectified(y[s], now[s], norm, other[s])) for s in y}, prior)
    pruned[f"{name}.weight"] = w.T.reshape(weight.shape)
    pruned[f"{norm}.running_mean"] = pruned[f"{norm}.running_mean"] - c
    for key in (f"{name}.weight", f"{norm}.running_mean"):
        changed[key] = pruned[key]


def conv(w, name, x, stride=1):
    return F.conv2d(x, w[f"{name}.weight"], stride=stride, padding=1)


def shortcut(x, width, channels, chosen):
    """Option A: every second pixel between zero channels. `channels`: which of the dense ones x has; `chosen`: which come out."""
    if x.shape[1] == width and len(channels) == width:
        return x
    whole = torch.zeros(x.shape[0], width, (x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2)
    before = (width - width // 2) // 2
    whole[:, channels + before] = x[:, :, ::2, ::2]
    return whole[:, chosen]


both = lambda function, *values: {s: function(*(v[s] for v in values)) for s in images}
student = both(lambda x: F.relu(batch_norm(pruned, "bn1", conv(pruned, "conv1", x))), images)
teacher = both(lambda x: F.relu(batch_norm(dense, "bn1", conv(dense, "conv1", x))), images)
stream = outputs_kept("conv1.weight")
blocks = sorted({(int(k[5]), int(k.split(".")[1])) for k in dense if k.startswith("layer")})
for stage, index in blocks:
    path = f"layer{stage}.{index}"
    stride = 2 if index == 0 and stage > 1 else 1
    inner = both(lambda x: conv(dense, f"{path}.conv1", x, stride), teacher)
    rows = outputs_kept(f"{path}.conv1.weight")
    repair_conv(f"{path}.conv1", f"{path}.bn1", student, both(lambda y: y[:, rows], inner), stride, {s: 0 for s in images})
    hidden = both(lambda x: F.relu(batch_norm(pruned, f"{path}.bn1", conv(pruned, f"{path}.conv1", x, stride))), student)
    branch = both(lambda y: conv(dense, f"{path}.conv2", F.relu(batch_norm(dense, f"{path}.bn1", y))), inner)
    width = dense[f"{path}.conv2.weight"].shape[0]
    rows = outputs_kept(f"{path}.conv2.weight")
    every = torch.arange(width)
    if stride == 1:
        theirs, ours = teacher, student
    else:
        theirs = both(lambda x: shortcut(x, width, torch.arange(x.shape[1]), every), teacher)
        ours = both(lambda x: shortcut(x, width, stream, rows), student)
    total = both(lambda b, s: batch_norm(dense, f"{path}.bn2", b) + s, branch, theirs)
    # What the branch must bring, taken back through the norm.
    w = {k: dense[f"{path}.bn2.{k}"][rows][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")}
    back = lambda s, o: (s[:, rows] - o - w["bias"]) / w["weight"] * torch.sqrt(w["running_var"] + 1e-5) + w["running_mean"]
    repair_conv(f"{path}.conv2", f"{path}.bn2", hidden, both(back, total, ours), 1, ours)
    student = both(lambda h, o: F.relu(batch_norm(pruned, f"{path}.bn2", conv(pruned, f"{path}.conv2", h)) + o), hidden, ours)
    teacher = both(F.relu, total)
    stream = rows
pooled = both(lambda x: x.mean((2, 3)), student)
logits = both(lambda x: F.linear(x.mean((2, 3)), dense["linear.weight"], dense["linear.bias"]), teacher)
w, c = fit(pooled, logits, pruned["linear.weight"].T)
changed["linear.weight"], changed["linear.bias"] = w.T, c
save_file({k: v.contiguous() for k, v in changed.items()}, f"{folder}/expected.safetensors")
print(json.dumps(sorted(changed)))

"""Small random PyTorch modules as exported programs and what they make of an image: random_pt2.py FOLDER FIRST COUNT

FOLDER holds `image.input`, float32 [1, 3, 12, 12]. Writes SEED.pt2 and prints a line of JSON each: seed, logits, operators.
"""
import json
import os
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SIDE = 12
CLASSES = 5


class Layer(nn.Module):
    """A function of images [N, C, H, W] that may keep layers of its own."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            if isinstance(layer, nn.Module):
                setattr(self, name, layer)
            else:
                self.register_parameter(name, nn.Parameter(layer))

    def forward(self, x):
        return self.function(self, x)


class Draw:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def pick(self, values):
        return values[int(self.random.integers(len(values)))]

    def chance(self, share):
        return self.random.random() < share


def conv(d, s):
    c = s[1]
    groups = d.pick([g for g in (1, 1, 2, c) if c % g == 0])
    out = groups * d.pick([1, 2]) if groups > 1 else d.pick([4, 6, 8])
    mode = d.pick(["zeros", "zeros", "zeros", "reflect", "circular", "replicate"])
    if d.chance(0.3):
        return nn.Conv2d(c, out, d.pick([2, 3]), padding="same", groups=groups, padding_mode=mode)
    kernel = d.pick([1, 3, (1, 3), 5])
    around = d.pick([0, 1, (1, 2)]) if mode == "zeros" else 1
    return nn.Conv2d(
        c, out, kernel, d.pick([1, 2, (2, 1)]), around, d.pick([1, 1, 2]), groups, bool(d.chance(0.6)), padding_mode=mode
    )


def conv_transpose(d, s):
    stride = d.pick([1, 2])
    groups = d.pick([g for g in (1, 2) if s[1] % g == 0])
    return nn.ConvTranspose2d(s[1], 6, d.pick([2, 3]), stride, d.pick([0, 1]), stride - 1, groups)


def pool(d, s):
    kernel, stride, ceil = d.pick([2, 3, (3, 2)]), d.pick([None, 1, 2, 3]), bool(d.chance(0.4))
    kind = d.pick(["max", "average", "adaptive", "adaptive max", "lp"])
    if kind == "max":
        return nn.MaxPool2d(kernel, stride, 1, d.pick([1, 1, 2]), ceil_mode=ceil)
    if kind == "average":
        divisor = d.pick([None, None, 5])
        return nn.AvgPool2d(kernel, stride, d.pick([0, 1]), ceil, bool(d.chance(0.5)), divisor)
    if kind == "lp":
        return nn.LPPool2d(2, 2)
    size = d.pick([1, 2, 3, (2, 4), 5])
    return nn.AdaptiveAvgPool2d(size) if kind == "adaptive" else nn.AdaptiveMaxPool2d(size)


def pad(d, s):
    mode = d.pick(["constant", "reflect", "replicate", "circular"])
    around = [int(v) for v in d.random.integers(-1 if mode == "constant" else 0, 3, 4)]
    value = d.pick([0.0, 0.5])
    return Layer(lambda m, x: F.pad(x, around, mode, value if mode == "constant" else None))


def pad_channels(d, s):
    return Layer(lambda m, x: F.pad(x, (0, 0, 0, 0, 1, 2)))


def resize(d, s):
    mode = d.pick(["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
    options = {"mode": mode}
    if mode in ("bilinear", "bicubic"):
        options["align_corners"] = bool(d.chance(0.5))
        if d.chance(0.2) and not options["align_corners"]:
            options["antialias"] = True
    if d.chance(0.5):
        options["scale_factor"] = d.pick([2, 1.5, 0.5])
    else:
        options["size"] = d.pick([(7, 9), (16, 16), (5, 5)])
    return Layer(lambda m, x: F.interpolate(x, **options))


def activation(d, s):
    c = s[1]
    return d.pick(
        [
            nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(0.3), nn.ELU(0.7), nn.SELU(), nn.CELU(0.6), nn.GELU(), nn.GELU("tanh"),
            nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.7), nn.Softplus(), nn.Softplus(2, 3),
            nn.Softsign(), nn.Tanhshrink(), nn.LogSigmoid(), nn.PReLU(), nn.PReLU(c), nn.Threshold(0.1, 0.2), nn.Softshrink(),
            nn.Hardshrink(0.2), Layer(lambda m, x: x.abs().sqrt()), Layer(lambda m, x: torch.clamp(x, min=-0.3)),
            Layer(lambda m, x: torch.exp(-x.square())), Layer(lambda m, x: x.clamp(-0.5, 0.8)), Layer(lambda m, x: torch.erf(x)),
        ]
    )  # fmt: skip


def norm(d, s):
    c = s[1]
    eps = d.pick([1e-5, 1e-3, 0.1])
    kind = d.pick(["batch", "batch", "instance", "group", "layer", "channels", "normalize", "response"])
    if kind == "batch":
        return nn.BatchNorm2d(c, eps, affine=bool(d.chance(0.8)), track_running_stats=bool(d.chance(0.9)))
    if kind == "instance":
        return nn.InstanceNorm2d(c, eps, affine=bool(d.chance(0.5)))
    if kind == "group":
        return nn.GroupNorm(d.pick([g for g in (1, 2, c) if c % g == 0]), c, eps)
    if kind == "layer":
        return nn.LayerNorm(list(s[d.pick([1, 2, 3]) :]), eps)
    if kind == "channels":
        return Layer(lambda m, x: m.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), norm=nn.LayerNorm(c, eps))
    if kind == "normalize":
        axis = d.pick([1, -1])
        return Layer(lambda m, x: F.normalize(x, dim=axis))
    return nn.LocalResponseNorm(3, 0.1, d.pick([0.5, 0.75]), 1.2)


def softmax(d, s):
    axis = d.pick([1, -1, 2, -2])
    function = d.pick([torch.softmax, torch.log_softmax])
    return Layer(lambda m, x: function(x, axis))


def arithmetic(d, s):
    _, c, h, w = s
    k = d.pick([0.7, -1.3])
    shape = d.pick([(c, 1, 1), (1, c, 1, 1), (h, w), (w,), (1,), (c, h, w), ()])
    operand = torch.rand(shape) + 0.5
    return d.pick(
        [
            Layer(lambda m, x: x * k + 1), Layer(lambda m, x: 1 - x), Layer(lambda m, x: k / (x.abs() + 0.5)), Layer(lambda m, x: x / 3),
            Layer(lambda m, x: torch.sub(x, x.mean((2, 3), keepdim=True), alpha=0.5)), Layer(lambda m, x: x * m.p, p=operand),
            Layer(lambda m, x: m.p - x, p=operand), Layer(lambda m, x: x / m.p, p=operand), Layer(lambda m, x: torch.maximum(x, m.p), p=operand),
            Layer(lambda m, x: torch.where(x > 0.1, x, x * 0.3)), Layer(lambda m, x: torch.lerp(x, x.tanh(), 0.3)),
            Layer(lambda m, x: torch.addcmul(x, x, x.sigmoid(), value=0.5)), Layer(lambda m, x: (x > 0).float() * x),
            Layer(lambda m, x: x.pow(2) + x.pow(3) * 0.1), Layer(lambda m, x: torch.rsqrt(x.square() + 0.3)),
        ]
    )  # fmt: skip


def reduced(d, s):
    axes = d.pick([(2, 3), (1,), (-1,), (1, 2, 3)])
    keep = lambda r: lambda m, x: x * torch.sigmoid(r(x))
    return Layer(
        d.pick(
            [
                keep(lambda x: x.mean(axes, keepdim=True)), keep(lambda x: x.amax(axes, keepdim=True)), keep(lambda x: x.sum(axes, keepdim=True) * 0.1),
                keep(lambda x: x.var(axes, keepdim=True)), keep(lambda x: x.std(axes, keepdim=True, unbiased=False)),
                keep(lambda x: x.norm(dim=axes, keepdim=True)), keep(lambda x: torch.logsumexp(x, axes, keepdim=True)),
                lambda m, x: x - x.mean((2, 3))[:, :, None, None], lambda m, x: x - x.max(1, keepdim=True).values,
                lambda m, x: x - x.flatten(2).mean(-1).view(-1, x.shape[1], 1, 1),
            ]
        )
    )  # fmt: skip


def squeeze_excite(d, s):
    c = s[1]
    gate = d.pick([nn.Sigmoid(), nn.Hardsigmoid()])
    layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, 3, 1), nn.ReLU(), nn.Conv2d(3, c, 1), gate)
    return Layer(lambda m, x: x * m.gate(x), gate=layers)


def branches(d, s):
    c = s[1]
    layer = nn.Conv2d(c, c, 3, padding=1)
    return Layer(
        d.pick(
            [
                lambda m, x: x + m.f(x), lambda m, x: m.f(x).add_(x), lambda m, x: x * m.f(x).sigmoid(), lambda m, x: torch.cat([x, m.f(x)], 1),
                lambda m, x: torch.cat([m.f(x), x, x], -3), lambda m, x: torch.stack([x, m.f(x)], 2).flatten(1, 2), lambda m, x: torch.stack([x, m.f(x)]).sum(0),
                lambda m, x: m.f(m.f(x)), lambda m, x: torch.cat([x, m.f(x)], 2), lambda m, x: torch.maximum(x, m.f(x)),
                lambda m, x: sum(m.f(part) for part in (x, x.relu())),
            ]
        ),
        f=layer,
    )  # fmt: skip


def cut(d, s):
    _, c, h, w = s
    if c < 3:
        return nn.Identity()
    first = int(d.random.integers(1, c))
    indices = torch.from_numpy(d.random.integers(0, c, 5))
    return Layer(
        d.pick(
            [
                lambda m, x: torch.cat(x.split([first, c - first], 1)[::-1], 1), lambda m, x: torch.cat([p.relu() for p in x.chunk(2, 1)], 1),
                lambda m, x: x[:, ::2], lambda m, x: x[:, 1:, :-1], lambda m, x: x[..., 1::2, ::2], lambda m, x: x.flip(1), lambda m, x: x.flip((2, 3)),
                lambda m, x: x.narrow(1, 1, c - 2), lambda m, x: x.index_select(1, indices), lambda m, x: x[:, indices], lambda m, x: torch.roll(x, (1, -2), (2, 3)),
                lambda m, x: torch.roll(x, 1, 1), lambda m, x: x[:, [0, 2, 1]], lambda m, x: x.unbind(2)[0].unsqueeze(2), lambda m, x: F.glu(x[:, : c // 2 * 2], 1),
                lambda m, x: x.repeat(1, 2, 1, 1), lambda m, x: x.repeat_interleave(2, 1), lambda m, x: x.tile(1, 1, 2, 1), lambda m, x: x.cumsum(2) * 0.2,
            ]
        )
    )  # fmt: skip


def shuffled(d, s):
    _, c, h, w = s
    forms = [nn.PixelShuffle(2)] if c % 4 == 0 else []
    forms += [nn.PixelUnshuffle(2)] if h % 2 == 0 and w % 2 == 0 else []
    forms += [nn.ChannelShuffle(2), Layer(lambda m, x: x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2))] if c % 2 == 0 else []
    forms += [Layer(lambda m, x: x.transpose(2, 3)), Layer(lambda m, x: x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1))]
    forms += [Layer(lambda m, x: F.fold(F.unfold(x, 3, padding=1), x.shape[-2:], 3, padding=1))]
    return d.pick(forms)


def linear(d, s):
    _, c, h, w = s
    return d.pick(
        [
            Layer(lambda m, x: m.f(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), f=nn.Linear(c, 6)),
            Layer(lambda m, x: m.f(x), f=nn.Linear(w, w)),
            Layer(lambda m, x: torch.einsum("nchw,dc->ndhw", x, m.p), p=torch.randn(6, c) * 0.3),
            Layer(lambda m, x: (m.p @ x.flatten(2)).unflatten(2, (h, w)), p=torch.randn(c, c) * 0.3),
            Layer(lambda m, x: m.f(x.flatten(2)).unflatten(2, (h, w)), f=nn.Conv1d(c, 6, 3, padding=1)),
            Layer(lambda m, x: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)).softmax(-1).bmm(x.flatten(2)).view_as(x)),
            Layer(lambda m, x: F.conv2d(x, m.p - m.p.mean((1, 2, 3), keepdim=True), padding=1), p=torch.randn(6, c, 3, 3) * 0.2),
        ]
    )  # fmt: skip


def attention(d, s):
    _, c, h, w = s
    if c % 2 or h * w > 100:
        return nn.Identity()
    scale = d.pick([None, None, 0.37])
    form = d.pick(["fused", "written", "module", "bias"])
    if form == "module":
        return Layer(lambda m, x: rows(m.f(y := cells(x), y, y, need_weights=False)[0], h, w), f=nn.MultiheadAttention(c, 2, batch_first=True))

    def forward(m, x):
        y = cells(x)
        q, k, v = m.qkv(y).unflatten(-1, (3, 2, c // 2)).permute(2, 0, 3, 1, 4)
        if form == "fused":
            z = F.scaled_dot_product_attention(q, k, v, scale=scale)
        else:
            scores = q @ k.transpose(-2, -1) * (scale or (c // 2) ** -0.5)
            z = (scores + m.bias if form == "bias" else scores).softmax(-1) @ v
        return rows(m.proj(z.transpose(1, 2).flatten(2)), h, w)

    return Layer(forward, qkv=nn.Linear(c, 3 * c), proj=nn.Linear(c, c), bias=torch.randn(2, h * w, h * w))


def cells(x):
    return x.flatten(2).transpose(1, 2)


def rows(y, h, w):
    return y.transpose(1, 2).unflatten(2, (h, w))


LAYERS = [
    conv, conv, conv, conv_transpose, pool, pool, pad, pad_channels, resize, activation, activation, norm, norm, softmax, arithmetic, arithmetic, reduced,
    squeeze_excite, branches, branches, cut, cut, shuffled, linear, linear, attention, attention,
]  # fmt: skip


def tail(d, s):
    _, c, h, w = s
    form = d.pick(["pool", "mean", "flat", "tokens"])
    if form == "flat" and c * h * w <= 512:
        return nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, CLASSES))
    if form == "tokens":
        return Layer(lambda m, x: m.f(cells(x)[:, 0]), f=nn.Linear(c, CLASSES))
    if form == "mean":
        return Layer(lambda m, x: m.f(x.mean([-2, -1])), f=nn.Linear(c, CLASSES))
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Dropout(0.2), nn.Linear(c, CLASSES))


def make(seed, image):
    d = Draw(seed)
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    names = []
    wanted = int(d.random.integers(1, 4))
    while len(names) < wanted:
        drawn = d.pick(LAYERS)
        with torch.no_grad():
            x = layers.eval()(image)
            try:
                layer = drawn(d, list(x.shape)).eval()
                y = layer(x.clone())
            except (RuntimeError, ValueError, TypeError, IndexError):
                continue
        if y.ndim != 4 or y.shape[0] != 1 or min(y.shape) < 1 or y.numel() > 20000 or not torch.isfinite(y).all():
            continue
        layers.append(layer)
        names.append(drawn.__name__)
        if d.chance(0.5):
            layers.append(nn.Conv2d(y.shape[1], 6, 1))
    for module in layers.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)):
            for parameter in module.parameters():
                nn.init.uniform_(parameter, 0.5, 1.5)
            if getattr(module, "running_var", None) is not None:
                module.running_var.uniform_(0.5, 2)
                module.running_mean.normal_(0, 0.3)
    with torch.no_grad():
        layers.append(tail(d, list(layers(image).shape)))
        layers.eval()
        logits = layers(image)
    program = torch.export.export(layers, (torch.cat([image, image]),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    return program, logits[0].tolist(), names


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    folder, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    image = torch.from_numpy(np.fromfile(os.path.join(folder, "image.input"), dtype="<f4").reshape(1, 3, SIDE, SIDE))
    for seed in range(first, first + count):
        try:
            program, logits, names = make(seed, image)
            torch.export.save(program, os.path.join(folder, f"{seed}.pt2"))
        except Exception as error:  # what torch.export does not take is no case
            print(f"{seed}: {error}"[:200], file=sys.stderr)
            continue
        print(json.dumps({"seed": seed, "logits": logits, "operators": names}), flush=True)


main()

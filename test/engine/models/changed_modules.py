"""Whole pickled networks whose layers were changed after construction: usage changed_modules.py FOLDER NAME…

FOLDER holds SIDE.input, the deterministic image of each side. Writes CASE.pth for each, and prints the logits as JSON.
A case is NETWORK-CHANGE; without names, all of them.
"""
import json
import os
import sys

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from timm_without_torchvision import timm  # noqa: E402
from timm.layers.activations import GELU, QuickGELU  # noqa: E402
from timm.layers.conv2d_same import Conv2dSame  # noqa: E402


def swap(module, kind, new):
    for name, child in module.named_children():
        if isinstance(child, kind):
            setattr(module, name, new())
        else:
            swap(child, kind, new)


def each(kind, **attributes):
    def do(module):
        for child in module.modules():
            if isinstance(child, kind):
                for name, value in attributes.items():
                    setattr(child, name, value)

    return do


def at(path, **attributes):
    def do(module):
        for name, value in attributes.items():
            setattr(module.get_submodule(path), name, value)

    return do


def put(path, new):
    def do(module):
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, new())

    return do


def mlp_act(new):
    def do(module):
        for block in module.blocks:
            block.mlp.act = new()

    return do


def forget_fusion(module):
    for child in module.modules():
        if hasattr(child, "fused_attn"):
            child.fused_attn = False
            child.scale = 0.3


def wide_windows(module):
    for stage in module.layers:
        for block in stage.blocks:
            block.shift_size = (0, 0)
            block.attn_mask = None


def turned_index(module):
    index = module.layers[0].blocks[0].attn.relative_position_index
    index.copy_(index.t().clone())


def open_mask(module):
    module.layers[0].blocks[1].attn_mask.zero_()


NETWORKS = {
    "resnet18": (64, lambda: timm.create_model("resnet18", num_classes=10)),
    "deit": (64, lambda: timm.create_model("deit_tiny_patch16_224", num_classes=10, img_size=64, embed_dim=48, depth=3)),
    "convnext": (64, lambda: timm.create_model("convnext_tiny", num_classes=10, dims=(16, 32, 48, 64), depths=(1, 1, 2, 1))),
    "swin": (
        64,
        lambda: timm.create_model(
            "swin_tiny_patch4_window7_224", num_classes=10, img_size=64, window_size=4, embed_dim=24, depths=(2, 2, 2, 2)
        ),
    ),
    "regnet": (64, lambda: timm.create_model("regnety_004", num_classes=10)),
    "mobilenet": (64, lambda: timm.create_model("mobilenetv2_100", num_classes=10)),
    "efficientnet": (64, lambda: timm.create_model("efficientnet_b0", num_classes=10)),
    "densenet": (64, lambda: timm.create_model("densenet121", num_classes=10)),
}
try:
    import torchvision as tv

    NETWORKS |= {
        "tv_resnet18": (64, lambda: tv.models.resnet18(num_classes=10)),
        "tv_mobilenet": (64, lambda: tv.models.mobilenet_v2(num_classes=10)),
        "tv_efficientnet": (64, lambda: tv.models.efficientnet_b0(num_classes=10)),
        "tv_regnet": (64, lambda: tv.models.regnet_y_400mf(num_classes=10)),
        "tv_densenet": (64, lambda: tv.models.densenet121(num_classes=10)),
        "tv_convnext": (64, lambda: tv.models.convnext_tiny(num_classes=10)),
        "tv_swin": (224, lambda: tv.models.swin_t(num_classes=10)),
        "tv_vit": (
            64,
            lambda: tv.models.VisionTransformer(64, 16, 3, 2, 64, 128, num_classes=10),
        ),
    }
except ImportError:
    pass



def padded_same(module):
    for name, child in list(module.named_modules()):
        if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
            new = Conv2dSame(child.in_channels, child.out_channels, child.kernel_size, 2, groups=child.groups, bias=False)
            new.weight = child.weight
            put(name, lambda: new)(module)


BN, LN = nn.BatchNorm2d, nn.LayerNorm
CHANGES = {
    "resnet18": {
        "plain": lambda m: None,
        "silu": lambda m: swap(m, nn.ReLU, nn.SiLU),
        "leaky": lambda m: swap(m, nn.ReLU, lambda: nn.LeakyReLU(0.3)),
        "elu": lambda m: swap(m, nn.ReLU, nn.ELU),
        "act_out": put("layer2.0.act2", nn.Identity),
        "stem_dilation": at("conv1", dilation=(2, 2)),
        "stem_reflect": at("conv1", padding_mode="reflect", _reversed_padding_repeated_twice=[3, 3, 3, 3]),
        "padding": at("layer1.0.conv1", padding="same"),
        "no_padding": at("conv1", padding=(0, 0)),
        "pool_average": put("maxpool", lambda: nn.AvgPool2d(3, 2, 1)),
        "pool_uncounted": put("maxpool", lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
        "pool_ceil": put("maxpool", lambda: nn.MaxPool2d(3, 2, 0, ceil_mode=True)),
        "pool_none": put("maxpool", nn.Identity),
        "pool_dilated": put("maxpool", lambda: nn.MaxPool2d(3, 2, 1, dilation=2)),
        "head_max": put("global_pool.pool", lambda: nn.AdaptiveMaxPool2d(1)),
        "head_window": put("global_pool.pool", lambda: nn.AvgPool2d(2)),
        "eps": each(BN, eps=0.1),
        "one_eps": at("layer3.1.bn2", eps=0.2),
        "blur": put("layer2.0.aa", lambda: nn.AvgPool2d(1)),
        "act_in_shortcut": lambda m: m.layer2[0].downsample.append(nn.ReLU()),
        "same": padded_same,
        "hook": lambda m: m.layer1.register_forward_hook(doubled),
    },
    "tv_resnet18": {
        "plain": lambda m: None,
        "leaky": lambda m: swap(m, nn.ReLU, lambda: nn.LeakyReLU(0.2)),
        "one_act": put("layer2.0.relu", lambda: nn.GELU(approximate="tanh")),
        "root_act": put("relu", nn.Hardswish),
        "act_out": put("layer3.1.relu", nn.Identity),
        "pool_none": put("maxpool", nn.Identity),
        "stem_stride": at("conv1", stride=(1, 1)),
        "late_stride": at("layer4.0.conv1", stride=(1, 1)),
        "late_strides": lambda m: [at(p, stride=(1, 1))(m) for p in ("layer4.0.conv1", "layer4.0.downsample.0")],
        "head_max": put("avgpool", lambda: nn.AdaptiveMaxPool2d((1, 1))),
    },
    "deit": {
        "plain": lambda m: None,
        "relu": mlp_act(nn.ReLU),
        "quick": mlp_act(QuickGELU),
        "tanh": mlp_act(lambda: nn.GELU(approximate="tanh")),
        "eps": each(LN, eps=1e-2),
        "one_eps": at("blocks.1.norm2", eps=0.1),
        "scale": forget_fusion,
        "fewer_heads": lambda m: [setattr(b.attn, "num_heads", 1) or setattr(b.attn, "head_dim", 48) for b in m.blocks],
        "average": lambda m: setattr(m, "global_pool", "avg"),
    },
    "convnext": {
        "plain": lambda m: None,
        "relu": lambda m: swap(m, GELU, nn.ReLU),
        "eps": each(LN, eps=1e-2),
        "kernel_dilation": lambda m: [at("stages.0.blocks.0.conv_dw", dilation=(2, 2), padding=(6, 6))(m)],
    },
    "swin": {
        "plain": lambda m: None,
        "unshifted": wide_windows,
        "eps": each(LN, eps=1e-2),
        "scale": forget_fusion,
        "act": lambda m: swap(m, nn.GELU, nn.SiLU),
        "index": turned_index,
        "mask": open_mask,
    },
    "regnet": {
        "plain": lambda m: None,
        "gate": lambda m: swap(m, nn.Sigmoid, nn.Hardsigmoid),
        "act": lambda m: swap(m, nn.ReLU, nn.SiLU),
        "eps": each(BN, eps=0.05),
    },
    "mobilenet": {
        "plain": lambda m: None,
        "no_skip": at("blocks.1.1", has_skip=False),
        "swish": lambda m: swap(m, nn.ReLU6, nn.Hardswish),
        "same": padded_same,
    },
    "efficientnet": {
        "plain": lambda m: None,
        "same": padded_same,
        "eps": each(BN, eps=1e-2),
        "gate": lambda m: swap(m, nn.Sigmoid, nn.Tanh),
    },
    "densenet": {"plain": lambda m: None, "act": lambda m: swap(m, nn.ReLU, nn.LeakyReLU)},
    "tv_mobilenet": {
        "plain": lambda m: None,
        "no_skip": at("features.3", use_res_connect=False),
        "act_out": put("features.18.2", nn.Identity),
    },
    "tv_efficientnet": {"plain": lambda m: None, "act": lambda m: swap(m, nn.SiLU, nn.ReLU), "eps": each(BN, eps=1e-3)},
    "tv_regnet": {"plain": lambda m: None, "act": put("trunk_output.block2.block2-1.activation", nn.SiLU)},
    "tv_densenet": {"plain": lambda m: None, "act": put("features.relu0", nn.LeakyReLU)},
    "tv_convnext": {"plain": lambda m: None, "act": lambda m: swap(m, nn.GELU, nn.ReLU), "eps": each(LN, eps=1e-2)},
    "tv_swin": {"plain": lambda m: None, "unshifted": at("features.1.1.attn", shift_size=[0, 0]), "act": lambda m: swap(m, nn.GELU, nn.ReLU)},
    "tv_vit": {"plain": lambda m: None, "act": lambda m: swap(m, nn.GELU, nn.ReLU), "eps": each(LN, eps=1e-2)},
}


def doubled(module, inputs, output):
    return output * 2


def shake(model):
    """Weights and statistics such that every layer matters."""
    torch.manual_seed(1)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        if name.endswith("running_var"):
            buffer.uniform_(0.3, 1.5)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data.add_(torch.randn_like(parameter) * 0.2)
        elif parameter.ndim == 2 and parameter.std() < 0.05:
            parameter.data.normal_(0, 0.1)
    return model.eval()


def main():
    torch.set_num_threads(1)
    folder, *names = sys.argv[1:]
    sys.modules["__mp_main__"] = sys.modules["__main__"]
    results = {}
    for network, changes in CHANGES.items():
        if network not in NETWORKS:
            continue
        side, make = NETWORKS[network]
        x = torch.from_numpy(np.fromfile(os.path.join(folder, f"{side}.input"), dtype="<f4").reshape(1, 3, side, side))
        for change, do in changes.items():
            case = f"{network}-{change}"
            if names and case not in names:
                continue
            torch.manual_seed(0)
            model = shake(make())
            with torch.no_grad():
                before = model(x)[0]
            do(model)
            try:
                with torch.no_grad():
                    logits = model(x)[0]
            except Exception as error:  # a change that PyTorch itself cannot run proves nothing
                results[case] = {"error": str(error)[:100]}
                continue
            torch.save(model, os.path.join(folder, case + ".pth"))
            moved = (logits - before).abs().max() / before.abs().max()
            results[case] = {"logits": logits.tolist(), "moved": moved.item(), "side": side}
    print(json.dumps(results))


if __name__ == "__main__":
    main()

"""Writes augment.json: what torchvision's augmentation operations make, on Pillow, of two images computed here.

python3 test/reference/make_augment.py > test/reference/augment.json
"""
import base64
import hashlib
import json

import numpy as np
import PIL
import torchvision
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms.autoaugment import _apply_op
from torchvision.transforms.functional import InterpolationMode

MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
# torchvision's table for levels 0 to 30: (largest magnitude, signed); translations as a share of 150/331 of the side.
SIGNED = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": None, "TranslateY": None, "Rotate": 30.0}
ENHANCING = {"Brightness": 0.9, "Color": 0.9, "Contrast": 0.9, "Sharpness": 0.9}
LEVELS, LAST_LEVEL = (9, 15), 30
CROPS = ((3, 5, 60, 72), (0, 0, 96, 96), (10, 40, 31, 50))  # top, left, height, width


def picture(side):
    """Slopes, edges, fine structure and flat parts, another range of values in each channel."""
    y, x = np.mgrid[0:side, 0:side].astype(np.int64)
    noise = ((x * 0x9E3779B1 + y * 0x85EBCA6B) & 0xFFFFFFFF) >> 27  # 0 to 31
    disc = (x - side // 3) ** 2 + (y - side // 2) ** 2 < (side // 4) ** 2
    flat = (x > side * 3 // 4) & (y < side // 3)
    red = np.where(disc, 200 - noise, 20 + 150 * x // side + noise)
    green = np.where(disc, 60 + noise, 235 - 180 * y // side - noise // 2)
    blue = np.where((x // 5 + y // 3) % 2 == 0, 90 + noise, 140 + 100 * (x + y) // (2 * side) - noise)
    rgb = np.stack([red, green, blue], axis=-1)
    rgb[flat] = (128, 40, 210)
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))


def level_magnitude(largest, level, side):
    """float32, as torch.linspace gives it."""
    import torch

    largest = 150.0 / 331.0 * side if largest is None else largest
    return torch.linspace(0.0, largest, LAST_LEVEL + 1)[level].item()


def settings(side):
    """(operation, level, magnitude, interpolation) of everything that is applied."""
    yield "Identity", LEVELS[0], 0.0, "nearest"
    for name, largest in SIGNED.items():
        for level in LEVELS:
            for sign in (1, -1):
                for mode in MODES:
                    yield name, level, sign * level_magnitude(largest, level, side), mode
    for name, largest in ENHANCING.items():
        for level in LEVELS:
            for sign in (1, -1):
                yield name, level, sign * level_magnitude(largest, level, side), "nearest"
    for level in LEVELS:
        yield "Posterize", level, 8.0 - round(level / ((LAST_LEVEL) / 4)), "nearest"
    for level in LEVELS:
        yield "Solarize", level, 255.0 - 255.0 * level / LAST_LEVEL, "nearest"
    yield "AutoContrast", LEVELS[0], 0.0, "nearest"
    yield "Equalize", LEVELS[0], 0.0, "nearest"


def figures(image):
    data = np.asarray(image)
    return {"sum": int(data.astype(np.int64).sum()), "sha256": hashlib.sha256(data.tobytes()).hexdigest()}


def results(name, image):
    side = image.size[0]
    for op, level, magnitude, mode in settings(side):
        made = _apply_op(image, op, magnitude, MODES[mode], fill=None)
        yield {"input": name, "op": op, "level": level, "magnitude": magnitude, "interpolation": mode, **figures(made)}
    if side < max(box[2] for box in CROPS):
        return
    for box in CROPS:
        for mode in ("bilinear", "bicubic"):
            made = F.resized_crop(image, *box, [224, 224], MODES[mode])
            yield {"input": name, "op": "ResizedCrop224", "box_top_left_height_width": box, "interpolation": mode, **figures(made)}


def main():
    images = {f"picture{side}": picture(side) for side in (32, 96)}
    versions = {"torchvision": torchvision.__version__.split("+")[0], "pillow": PIL.__version__}
    inputs = {
        name: {"size": list(image.size), "rgb_base64": base64.b64encode(image.tobytes()).decode()}
        for name, image in images.items()
    }
    lines = [json.dumps(one) for name, image in images.items() for one in results(name, image)]
    print(f'{{"versions": {json.dumps(versions)},\n"inputs": {json.dumps(inputs)},\n"operations": [')
    print(",\n".join(lines))
    print("]}")


if __name__ == "__main__":
    main()

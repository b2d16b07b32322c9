"""Images in class folders, their order in an epoch, and what is done to them (torchvision.transforms.v2 on Pillow)."""

import os
from types import SimpleNamespace

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "test", "testing"),
}

# Order -------------------------------------------------------------------------------------------------------------

MASK = 0xFFFFFFFF
ORDER, AUGMENTATION, MIXING, DROPPING = 1, 2, 3, 4  # purposes that random numbers are drawn for


def _scramble(x):
    """The finaliser of murmur3."""
    x &= MASK
    x = (x ^ x >> 16) * 0x85EBCA6B & MASK
    x = (x ^ x >> 13) * 0xC2B2AE35 & MASK
    return x ^ x >> 16


def derive_seed(*parts):
    """One 32-bit seed that depends on every part: purpose, epoch, position …"""
    h = 0x9E3779B9
    for part in parts:
        h = _scramble(h ^ _scramble((part & MASK) + 0x6D2B79F5))
        h = _scramble(h * 5 + 0xE6546B64 + _scramble((part >> 32) + 0x3C6EF372))
    return h


def permutation(n, seed):
    """0 … n - 1 in the order in which Espalier's own runs visit them: Fisher and Yates with xoshiro128**."""
    x = derive_seed(seed)
    a, b, c, d = (_scramble(x + (i + 1) * 0x9E3779B9) for i in range(4))
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        limit = 0x100000000 - 0x100000000 % (i + 1)
        while True:
            r = b * 5 & MASK
            r = (r << 7 | r >> 25) * 9 & MASK
            t = b << 9 & MASK
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= t
            d = (d << 11 | d >> 21) & MASK
            if r < limit:
                break
        j = r % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def epoch_order(n, epoch, settings):
    """Indices of an epoch's images. Repeated augmentation takes each --ra-reps times, rounded down to 256 entries."""
    order = permutation(n, derive_seed(settings.seed, ORDER, epoch))
    if not settings.ra_sampler or settings.ra_reps <= 1:
        return order
    entries = n - n % 256 if n >= 256 else n
    return [order[i // settings.ra_reps] for i in range(entries)]


class EpochBatches:
    """This rank's batches of an epoch, a few to a step: lists of (image, position in the epoch).

    A step takes `accumulation` batches of every rank. Ranks take turns within a batch, so that all ranks together see
    the images in the order in which one process would. A part too small for every rank's batch norm is left out.
    """

    def __init__(self, entries_of, entries, *, batch_size, accumulation, rank, ranks, least=1):
        self.entries_of, self.entries = entries_of, entries
        self.part, self.accumulation = batch_size * ranks, accumulation
        self.rank, self.ranks, self.least = rank, ranks, least
        self.step_images = self.part * accumulation
        self.steps = -(-entries // self.step_images)
        self.epoch, self.first, self.last = 0, 0, self.steps

    def parts(self, step):
        """Positions in the epoch of each of a step's batches of all ranks."""
        end = min((step + 1) * self.step_images, self.entries)
        starts = range(step * self.step_images, end, self.part)
        parts = [range(start, min(start + self.part, end)) for start in starts]
        return [part for part in parts if len(part) >= self.least * self.ranks]

    def __iter__(self):
        order = self.entries_of(self.epoch)
        for step in range(self.first, self.last):
            for part in self.parts(step):
                yield [(order[position], position, self.epoch) for position in part[self.rank :: self.ranks]]

    def __len__(self):
        return sum(len(self.parts(step)) for step in range(self.first, self.last))


# Folders -----------------------------------------------------------------------------------------------------------


def _folders(place):
    names = [entry.name for entry in os.scandir(place) if entry.is_dir() and not entry.name.startswith(".")]
    return sorted(names)


def find_split(data_path, split):
    """The folder of a split; a data set without any is its own."""
    if not os.path.isdir(data_path):
        raise SystemExit(f"The data folder {data_path} does not exist: make the job anew with --data-path.")
    there = {name.lower(): name for name in _folders(data_path) if _folders(os.path.join(data_path, name))}
    if not any(name in there for names in SPLITS.values() for name in names):
        return data_path
    for name in SPLITS[split]:
        if name in there:
            return os.path.join(data_path, there[name])
    raise SystemExit(
        f"{data_path} has no {' or '.join(f'{name}/' for name in SPLITS[split])}: add it, or make the job anew with --data-path."
    )


def _files(folder):
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            (place, name) for name in names if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        ]
    return [os.path.join(place, name) for place, name in sorted(found)]


def output_names(data_path, images, classes):
    """The class folder of each of the network's outputs: known when the job was made, or by the order of train/."""
    if images.class_names is not None:
        return images.class_names
    folders = _folders(find_split(data_path, "train"))
    if len(folders) == classes:
        return folders
    if images.other_class_names is not None:
        return images.other_class_names
    raise SystemExit(
        f"{data_path} has {len(folders)} class folders, the network {classes} outputs: make the job with --synsets FILE."
    )


def list_images(data_path, split, names):
    """(file, label) of every image of a split."""
    root = find_split(data_path, split)
    label_of = {name: label for label, name in enumerate(names)}
    unknown = [name for name in _folders(root) if name not in label_of]
    if unknown:
        raise SystemExit(f"{root} has class folders that the network does not know: {', '.join(unknown[:5])}: remove them, or make the job with --synsets FILE.")
    samples = []
    for name in _folders(root):
        files = _files(os.path.join(root, name))
        if not files:
            raise SystemExit(f"The class folder {os.path.join(root, name)} has no images: add some or remove it.")
        samples += [(file, label_of[name]) for file in files]
    if not samples:
        raise SystemExit(f"{root} has no class folders: add them, or make the job anew with --data-path.")
    return samples


# Pixels ------------------------------------------------------------------------------------------------------------


def _interpolation(name):
    return InterpolationMode[name.upper()]


def _automatic(spec):
    mode = _interpolation(getattr(spec, "interpolation", "nearest"))
    if spec.kind == "ra":
        return v2.RandAugment(num_ops=2, magnitude=spec.magnitude, interpolation=mode)
    if spec.kind == "ta_wide":
        return v2.TrivialAugmentWide(interpolation=mode)
    if spec.kind == "augmix":
        return v2.AugMix(severity=spec.severity, interpolation=mode)
    return v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET, interpolation=mode)


def _crop(spec):
    mode = _interpolation(spec.interpolation)
    if spec.kind == "eval":
        resize = [v2.Resize(spec.resize, interpolation=mode)] if spec.resize else []
        return [*resize, v2.CenterCrop(spec.size)]
    if spec.kind == "resized-crop":
        return [v2.RandomResizedCrop(spec.size, scale=spec.scale, ratio=spec.ratio, interpolation=mode)]

    def fitted(image):
        if min(image.size) == spec.size:
            return image
        return v2.CenterCrop(spec.size)(v2.Resize(spec.size, interpolation=mode)(image))

    return [v2.Lambda(fitted), v2.RandomCrop(spec.size, padding=spec.padding)]


def make_transform(spec):
    """From job.json's description of a transform to torchvision's."""
    steps = _crop(spec)
    if spec.kind != "eval":
        steps.append(v2.RandomHorizontalFlip(spec.flip))
        if getattr(spec, "automatic", None) is not None:
            steps.append(_automatic(spec.automatic))
        jitter = getattr(spec, "colorJitter", None)
        if jitter is not None:
            steps.append(v2.ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation))
    steps += [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(spec.mean, spec.std)]
    if getattr(spec, "erase", None) is not None:
        steps.append(v2.RandomErasing(spec.erase.probability))
    return v2.Compose(steps)


class UnreadableImage(RuntimeError):
    """An image that is none, by its file's name."""


class Images(Dataset):
    """Images and labels by (index, position, epoch): what is drawn for an image depends on nothing else."""

    def __init__(self, samples, transform: SimpleNamespace, seed):
        self.samples, self.spec, self.seed = samples, transform, seed
        self.transform = None

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, entry):
        index, position, epoch = entry
        file, label = self.samples[index]
        if self.transform is None:  # here, so that worker processes make their own
            self.transform = make_transform(self.spec)
        try:
            with Image.open(file) as opened:
                image = opened.convert("RGB")
        except OSError as error:
            raise UnreadableImage(f"{file} cannot be read ({error}): mend or remove it") from None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, AUGMENTATION, epoch, position))
            return self.transform(image), label


def make_loader(dataset, batches, workers, pin=False):
    """A loader of the batches; its processes stay from one epoch to the next."""
    return DataLoader(
        dataset, batch_sampler=batches, num_workers=workers, persistent_workers=workers > 0, pin_memory=pin
    )

"""What a training step is made of: optimiser, learning rate, weight decay, losses, mixing of images, moving average.

Settings are the flags of `espalier job`, with underscores (settings.lr_warmup_epochs is --lr-warmup-epochs).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


# Optimiser ---------------------------------------------------------------------------------------------------------

EMBEDDINGS = {
    "class_token",
    "position_embedding",
    "relative_position_bias_table",
    "cls_token",
    "dist_token",
    "pos_embed",
}


def weight_decay_of(model, settings):
    """The weight decay of every parameter, by name: a name that is set apart comes before a module that is."""
    norms = {
        f"{path}.{name}"
        for path, module in model.named_modules()
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.LayerNorm))
        for name, _ in module.named_parameters(recurse=False)
    }

    def decay(name):
        last = name.rpartition(".")[2]
        if last == "bias" and settings.bias_weight_decay is not None:
            return settings.bias_weight_decay
        if last in EMBEDDINGS and settings.transformer_embedding_decay is not None:
            return settings.transformer_embedding_decay
        if name in norms and settings.norm_weight_decay is not None:
            return settings.norm_weight_decay
        return settings.weight_decay

    return {name: decay(name) for name, parameter in model.named_parameters() if parameter.requires_grad}


def make_optimizer(model, settings):
    decays = weight_decay_of(model, settings)
    by_decay = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            by_decay.setdefault(decays[name], []).append(parameter)
    groups = [{"params": parameters, "weight_decay": decay} for decay, parameters in by_decay.items()]
    if settings.opt == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr)
    if settings.opt == "rmsprop":
        return torch.optim.RMSprop(groups, lr=settings.lr, momentum=settings.momentum, eps=0.0316, alpha=0.9)
    nesterov = settings.opt == "sgd_nesterov"
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=nesterov)


# Learning rate -----------------------------------------------------------------------------------------------------


def _between(start, end, share):
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _one_cycle(peak, step, total):
    """torch.optim.lr_scheduler.OneCycleLR with its defaults and a constant momentum."""
    start = peak / 25
    top = 0.3 * total - 1
    if step <= top:
        return _between(start, peak, step / top)
    return _between(peak, start / 1e4, min(1.0, (step - top) / (total - 1 - top)))


def learning_rate(settings, epoch, step, steps_per_epoch):
    """The rate of one step. Schedules go by epochs, `onecycle` by steps; epoch and step count from 0."""
    name, warmup = settings.lr_scheduler, settings.lr_warmup_epochs
    if name == "onecycle":
        return _one_cycle(settings.lr, epoch * steps_per_epoch + step, settings.epochs * steps_per_epoch)
    if epoch < warmup:
        start = settings.lr_warmup_decay
        linear = settings.lr_warmup_method == "linear"
        return settings.lr * (start + (1 - start) * epoch / warmup if linear else start)
    epoch, epochs = epoch - warmup, settings.epochs - warmup
    if name == "steplr":
        return settings.lr * settings.lr_gamma ** (epoch // settings.lr_step_size)
    if name == "cosineannealinglr":
        return _between(settings.lr, settings.lr_min, epoch / epochs)
    if name == "exponentiallr":
        return settings.lr * settings.lr_gamma**epoch
    if name == "constant":
        return settings.lr
    raise SystemExit(f"job.json: unknown learning-rate schedule {name!r}")


# Losses ------------------------------------------------------------------------------------------------------------


def sum_of_losses(heads, targets, settings, teacher=None):
    """Sum over the batch of cross-entropy and, with the teacher's logits, distillation.

    heads: logits [N, classes] of the class head and, where there is one, of the distillation head, which then learns
    from the teacher alone. targets: labels [N] or probabilities [N, classes].
    """
    heads = [head.float() for head in heads]
    smoothing = settings.label_smoothing
    loss = F.cross_entropy(heads[0], targets, label_smoothing=smoothing, reduction="sum")
    if teacher is None:
        # A head that learns nothing has a gradient all the same, which is zero.
        return loss + 0.0 * heads[-1].sum() if len(heads) > 1 else loss
    student, teacher, weight = heads[-1], teacher.float(), settings.distillation_weight
    if settings.distillation == "hard":
        distilled = F.cross_entropy(student, teacher.argmax(1), label_smoothing=smoothing, reduction="sum")
    else:
        t = settings.distillation_temperature
        log_p, log_q = F.log_softmax(teacher / t, 1), F.log_softmax(student / t, 1)
        distilled = t * t * F.kl_div(log_q, log_p, reduction="sum", log_target=True)
    return (1 - weight) * loss + weight * distilled


# Mixing ------------------------------------------------------------------------------------------------------------


def mixed_targets(labels, classes, weight):
    """[N, classes]: `weight` for an image's own label, the rest for the label of the image before it."""
    own = F.one_hot(labels, classes).float()
    return weight * own + (1 - weight) * own.roll(1, 0)


def cutmix_box(share, size, generator):
    """Left, top, right and bottom of a box around a uniform centre with 1 - share of the area, cut at the border."""
    x, y = generator.randrange(size), generator.randrange(size)
    half = int(0.5 * math.sqrt(1 - share) * size)
    return max(0, x - half), max(0, y - half), min(size, x + half), min(size, y + half)


def mix(images, labels, classes, settings, generator):
    """Mixup or cutmix, one of those asked for, each image with the one before it. Returns images and targets."""
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(settings, f"{kind}_alpha") > 0]
    if not kinds:
        return images, labels
    kind = generator.choice(kinds)
    alpha = getattr(settings, f"{kind}_alpha")
    weight = generator.betavariate(alpha, alpha)
    before = images.roll(1, 0)
    if kind == "mixup":
        images = weight * images + (1 - weight) * before
    else:
        size = images.shape[-1]
        left, top, right, bottom = cutmix_box(weight, size, generator)
        images = images.clone()
        images[:, :, top:bottom, left:right] = before[:, :, top:bottom, left:right]
        weight = 1 - (right - left) * (bottom - top) / (size * size)
    return images, mixed_targets(labels, classes, weight)


# Moving average ----------------------------------------------------------------------------------------------------


def average_decay(settings, global_batch):
    """The decay after the adjustment that keeps it independent of batch size and epochs."""
    adjust = global_batch * settings.model_ema_steps / settings.epochs
    return 1 - min(1.0, (1 - settings.model_ema_decay) * adjust)


@torch.no_grad()
def update_average(average, model, settings, global_batch, epoch, step, updates):
    """Moves the averages towards the weights, in place. The first update copies them, and so do those of the warm-up.

    average: tensors by state-dict name; step: of the epoch, from 0; returns how many updates there were since the copy.
    """
    if step % settings.model_ema_steps:
        return updates
    decay = 0.0 if updates == 0 else average_decay(settings, global_batch)
    state = model.state_dict()
    for name, tensor in average.items():
        tensor.lerp_(state[name], 1 - decay)
    return 0 if epoch < settings.lr_warmup_epochs else updates + 1

"""Finetunes the network of this folder by the settings in job.json, on one process or many: torchrun … train.py

Plain PyTorch and torchvision. Rank 0 writes metrics.jsonl, run.json, latest.safetensors (everything that the next step
depends on) and best.safetensors, each whole at any moment. Started again, it goes on from latest.safetensors.
"""

import contextlib
import importlib
import json
import os
import random
import signal
import sys
import time

import torch
import torch.distributed as dist
from torch import nn

import recipe
import run_folder as folder
from images import DROPPING, MIXING, EpochBatches, Images, derive_seed, epoch_order, list_images, make_loader, output_names

# Ranks -------------------------------------------------------------------------------------------------------------

RANK = int(os.environ.get("RANK", 0))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", 0))
RANKS = int(os.environ.get("WORLD_SIZE", 1))
LOCAL_RANKS = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda", LOCAL_RANK) if CUDA else torch.device("cpu")


def say(text):
    if RANK == 0:
        print(text, flush=True)


def store_of_this_start():
    """Where the ranks find each other. torchrun's store keeps the addresses of ranks that it has started before, and gloo
    waits for those for ever: each start reads and writes under a name of its own."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return {"store": dist.PrefixStore(f"start {start}", store), "rank": RANK, "world_size": RANKS}


def start_ranks(job, settings):
    """Joins the other processes. The settings are for so many: another number would be another training."""
    wanted = job.launch.nodes * job.launch.processes
    if RANKS != wanted:
        raise SystemExit(
            f"This job is for {wanted} processes, not {RANKS}: its batch and learning rate are. Start it with run.sh, "
            "job.sbatch or job.sky.yaml, or make it anew with --nodes and --processes."
        )
    if CUDA:
        if LOCAL_RANK >= torch.cuda.device_count():
            raise SystemExit(f"{LOCAL_RANKS} processes but {torch.cuda.device_count()} GPUs: make the job with --processes.")
        torch.cuda.set_device(DEVICE)
    if RANK == 0:
        folder.forget_failure()
    chosen = settings.dist_backend
    backend = ("nccl" if CUDA else "gloo") if chosen == "auto" else chosen
    if RANKS > 1:
        dist.init_process_group(backend, **store_of_this_start())
    return f"PyTorch {torch.__version__}, {RANKS} × {'GPU' if CUDA else 'CPU'}" + (f", {backend}" if RANKS > 1 else "")


def total(*numbers):
    """Each number, added up over all ranks."""
    values = torch.tensor(numbers, dtype=torch.float64, device=DEVICE)
    if RANKS > 1:
        dist.all_reduce(values)
    return values.tolist()


def as_on_first(tensors):
    """Makes tensors what they are on rank 0: running statistics differ from rank to rank."""
    if RANKS > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


class SumOverRanks(torch.autograd.Function):
    """all_reduce with its gradient, which is all_reduce."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return SumOverRanks.forward(ctx, gradient.contiguous())


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all ranks, for CPUs: PyTorch's own is for GPUs only."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        count = SumOverRanks.apply(x.new_tensor([x.numel() / x.shape[1]]))
        mean = SumOverRanks.apply(x.sum((0, 2, 3))) / count
        centred = x - mean.view(1, -1, 1, 1)
        variance = SumOverRanks.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


def with_sync_batch_norm(model):
    if CUDA:
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncBatchNorm
    return model


# Networks ----------------------------------------------------------------------------------------------------------


def load_network(spec):
    """The network of model.py or teacher.py with its weights."""
    model = importlib.import_module(spec.module).Model()
    tensors, metadata = folder.read_safetensors(folder.place(spec.weights))
    model.load_state_dict(tensors, strict=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in spec.frozen)
    return model.to(DEVICE), metadata


def logits_of(output):
    return output if isinstance(output, tuple) else (output,)


def autocast(settings):
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}[settings.amp_type]
    return torch.autocast(DEVICE.type, kind, enabled=settings.amp)


class Trainer:
    """A run: networks, optimiser and average, where it stands, and what is done to them."""

    def __init__(self, job, settings):
        self.job, self.settings = job, settings
        self.model, self.metadata = load_network(job.network)
        if settings.sync_bn and RANKS > 1:
            self.model = with_sync_batch_norm(self.model)
        self.teacher = load_network(job.teacher)[0].eval() if job.teacher else None
        self.optimizer = recipe.make_optimizer(self.model, settings)
        self.scaler = torch.amp.GradScaler(DEVICE.type, enabled=settings.amp and settings.amp_type == "float16")
        self.average = {}
        self.open_images()
        start = settings.start_epoch
        self.at = {
            "epoch": start,
            "stepInEpoch": 0,
            "step": start * self.steps,
            "averageUpdates": 0,
            "lossSum": 0.0,
            "imageCount": 0,
            "optimizerSteps": 0,
        }
        self.saved, self.due, self.rate, self.order = time.monotonic(), False, 0.0, None

    def open_images(self):
        job, settings = self.job, self.settings
        self.names = output_names(job.request.dataPath, job.images, job.network.classes)
        train, val = (list_images(job.request.dataPath, split, self.names) for split in ("train", "val"))
        entries = len(train) - len(train) % 256 if settings.ra_sampler and len(train) >= 256 else len(train)
        common = {"batch_size": settings.batch_size, "rank": RANK, "ranks": RANKS}
        self.batches = EpochBatches(
            lambda epoch: epoch_order(len(train), epoch, settings),
            entries,
            accumulation=settings.grad_accum_steps,
            least=job.network.leastBatch,
            **common,
        )
        validation = EpochBatches(lambda epoch: range(len(val)), len(val), accumulation=1, least=0, **common)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        workers = max(1, (cores - 1) // LOCAL_RANKS) if settings.workers is None else settings.workers
        self.train_images = Images(train, job.images.training, settings.seed)
        self.loader = make_loader(self.train_images, self.batches, workers, CUDA)
        validation_batches = [batch for batch in validation if batch]
        images = Images(val, job.images.evaluation, settings.seed)
        self.validation = make_loader(images, validation_batches, workers, CUDA)
        self.steps = min(self.batches.steps, settings.max_steps or self.batches.steps)
        if not any(self.batches.parts(step) for step in range(self.steps)):
            raise SystemExit(
                f"{len(train)} images are too few for {RANKS} processes: make the job with fewer --processes or add images."
            )
        say(f"images {len(train)} for training, {len(val)} for validation, {len(self.names)} classes")

    @property
    def global_batch(self):
        return self.batches.step_images

    # Going on --------------------------------------------------------------------------------------------------

    def resume(self):
        """Takes up latest.safetensors, where there is one. Returns whether there was."""
        file = folder.place("latest.safetensors")
        if not os.path.exists(file):
            if self.settings.model_ema:
                self.average = {k: v.clone() for k, v in self.model.state_dict().items() if v.is_floating_point()}
            return False
        tensors, metadata = folder.read_safetensors(file)
        self.at = json.loads(metadata["espalier.progress"])
        self.model.load_state_dict({name: tensors[name] for name in self.model.state_dict()}, strict=True)
        prefix = folder.AVERAGE
        self.average = {
            name.removeprefix(prefix): tensor.to(DEVICE) for name, tensor in tensors.items() if name.startswith(prefix)
        }
        slots = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer/"):
                _, slot, parameter = name.split("/", 2)
                slots.setdefault(parameter, {})[slot] = tensor.to(DEVICE)
        for name, parameter in self.model.named_parameters():
            if name in slots:
                step = torch.tensor(float(self.at["optimizerSteps"]))
                self.optimizer.state[parameter] = {"step": step, **slots[name]}
        if self.scaler.is_enabled() and "scaler" in self.at:
            self.scaler.load_state_dict(self.at["scaler"])
        return True

    def optimizer_slots(self):
        slots = {}
        for name, parameter in self.model.named_parameters():
            for slot, value in self.optimizer.state.get(parameter, {}).items():
                if torch.is_tensor(value) and slot != "step":
                    slots[f"optimizer/{slot}/{name}"] = value
        return slots

    def checkpoint_metadata(self):
        """What makes a checkpoint open as a model of its lineage."""
        if "espalier.record" not in self.metadata:
            return dict(self.metadata)
        record = json.loads(self.metadata["espalier.record"])
        step = {"step": "finetuned", "summary": self.job.network.summary, "time": folder.now()}
        if self.job.network.parent is not None:
            step["parent"] = self.job.network.parent
        record["history"] = [*record["history"], step]
        record.setdefault("base", vars(self.job.network.cost))
        record["classNames"] = self.names
        return {**self.metadata, "espalier.record": json.dumps(record)}

    def save(self, name, tensors):
        if RANK == 0:
            if self.scaler.is_enabled():
                self.at["scaler"] = self.scaler.state_dict()
            metadata = {**self.checkpoint_metadata(), "espalier.progress": json.dumps(self.at)}
            folder.write_safetensors(folder.place(name), tensors, metadata)

    def save_latest(self):
        averages = {folder.AVERAGE + name: tensor for name, tensor in self.average.items()}
        self.save("latest.safetensors", {**self.model.state_dict(), **self.optimizer_slots(), **averages})
        self.saved = time.monotonic()

    # Training --------------------------------------------------------------------------------------------------

    def recalibrate(self, count):
        """Batch norm statistics averaged anew over some batches, nothing else changed."""
        norms = [m for m in self.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        if not norms:
            raise SystemExit("--bn-recalibrate: the network has no batch norm.")
        images = Images(self.train_images.samples, self.job.images.evaluation, self.settings.seed)
        self.batches.epoch, self.batches.first, self.batches.last = 0, 0, min(count, self.batches.steps)
        statistics = [s for norm in norms for s in (norm.running_mean, norm.running_var)]
        sums, momenta, taken = [torch.zeros_like(s) for s in statistics], [norm.momentum for norm in norms], 0
        self.model.eval()  # nothing is dropped
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        with torch.no_grad():
            for batch, _ in make_loader(images, self.batches, 0):
                self.model(batch.to(DEVICE))
                taken += 1
                for part, now in zip(sums, statistics):
                    part += now
        [everywhere] = total(taken)
        self.batches.last = self.batches.steps
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        for part, now in zip(sums, statistics):
            if RANKS > 1:
                dist.all_reduce(part)
            now.copy_(part / everywhere)

    def train_epoch(self):
        at = self.at
        self.model.train()
        self.batches.epoch, self.batches.first, self.batches.last = at["epoch"], at["stepInEpoch"], self.steps
        batches, since, images = iter(self.loader), time.monotonic(), 0
        while at["stepInEpoch"] < self.steps and self.order != "stop":
            parts = self.batches.parts(at["stepInEpoch"])
            if parts:
                images += self.step(batches, parts)
                self.rate = images / (time.monotonic() - since)
                self.report_step(sum(map(len, parts)))
            at["stepInEpoch"] += 1
            at["step"] += 1
            if self.due:
                as_on_first(self.model.buffers())
                self.save_latest()

    def step(self, batches, parts):
        """One step of the optimiser on this rank's share of `parts`. Returns how many images all ranks saw."""
        at, settings = self.at, self.settings
        count = sum(map(len, parts))
        rate = recipe.learning_rate(settings, at["epoch"], at["stepInEpoch"], self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # Dropping depends on the place in the run alone, so that a resumed run goes on as the unbroken one.
        torch.manual_seed(derive_seed(settings.seed, DROPPING, at["epoch"], at["stepInEpoch"], RANK))
        loss_sum = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        for i in range(len(parts)):
            last = i == len(parts) - 1
            with self.parallel.no_sync() if RANKS > 1 and not last else contextlib.nullcontext():
                loss = self.loss(*next(batches), i)
                # DistributedDataParallel averages over ranks: this makes it the mean over all images.
                self.scaler.scale(loss * (RANKS / count)).backward()
            loss_sum += loss.detach()
        norm = self.update()
        if settings.model_ema:
            at["averageUpdates"] = recipe.update_average(
                self.average, self.model, settings, self.global_batch, at["epoch"], at["stepInEpoch"], at["averageUpdates"]
            )
        orders = {"stop": 1, "stopAfterEpoch": 1000}
        due = RANK == 0 and time.monotonic() - self.saved >= 60 * settings.save_interval
        stop, all_losses, due = total(orders.get(self.wanted(), 0), loss_sum, due)
        self.due = due > 0
        self.order = "stop" if stop % 1000 else "stopAfterEpoch" if stop else self.order
        self.last = {"loss": all_losses / count, "learningRate": rate}
        if norm is not None:
            self.last["gradientNorm"] = norm
        at["lossSum"] += all_losses
        at["imageCount"] += count
        return count

    def wanted(self):
        """What is wanted of the run by a signal that this rank got, or the file that rank 0 reads."""
        return "stop" if STOPPED else folder.read_order() if RANK == 0 else None

    def loss(self, images, labels, part):
        """Sum of the losses of this rank's images."""
        at, settings = self.at, self.settings
        images, labels = images.to(DEVICE, non_blocking=True), labels.to(DEVICE, non_blocking=True)
        seed = derive_seed(settings.seed, MIXING, at["epoch"], at["stepInEpoch"], part, RANK)
        images, targets = recipe.mix(images, labels, self.job.network.classes, settings, random.Random(seed))
        with autocast(settings):
            heads = logits_of(self.parallel(images))
            with torch.no_grad():
                taught = logits_of(self.teacher(images))[0] if self.teacher is not None else None
        return recipe.sum_of_losses(heads, targets, settings, taught)

    def update(self):
        """Moves the weights. Returns the gradient's norm before it was clipped, where it is."""
        norm = None
        if self.settings.clip_grad_norm is not None:
            self.scaler.unscale_(self.optimizer)
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_grad_norm).item()
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        # float16 leaves out a step whose gradients overflow, and halves its scale.
        if not self.scaler.is_enabled() or self.scaler.get_scale() >= scale:
            self.at["optimizerSteps"] += 1
        return norm

    def report_step(self, count):
        at, loss = self.at, self.last["loss"]
        if loss != loss or abs(loss) == float("inf"):
            raise RuntimeError(
                f"the loss became {loss} in epoch {at['epoch'] + 1}, at step {at['step'] + 1} with a learning rate of "
                f"{self.last['learningRate']}: make the job with a lower --lr, a warm-up or --clip-grad-norm"
            )
        line = {"kind": "step", "epoch": at["epoch"], "step": at["step"], **self.last, "imagesPerSecond": self.rate}
        if RANK == 0:
            folder.append_metrics(line)
        if self.settings.print_freq > 0 and at["step"] % self.settings.print_freq == 0:
            rate = f"lr {self.last['learningRate']:.4g}, {self.rate:.0f} images/s"
            say(f"epoch {at['epoch'] + 1}, step {at['step']}: loss {loss:.5g}, {rate}")

    # Validation ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def validate(self):
        """Shares of right answers among the first and the first five, and the loss, over all ranks."""
        self.model.eval()
        images = right = right5 = loss = 0.0
        for batch, labels in self.validation:
            with autocast(self.settings):
                logits = logits_of(self.model(batch.to(DEVICE)))[0].double()
            labels = labels.to(DEVICE)
            own = logits.gather(1, labels[:, None])
            # Of equal ones the lower class comes first.
            earlier = (logits == own) & (torch.arange(logits.shape[1], device=DEVICE) < labels[:, None])
            before = ((logits > own) | earlier).sum(1)
            right += (before == 0).sum().item()
            right5 += (before < 5).sum().item()
            loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            images += len(labels)
        images, right, right5, loss = total(images, right, right5, loss)
        return {"top1": right / images, "top5": right5 / images, "loss": loss / images, "images": int(images)}

    def validate_average(self):
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict({**weights, **self.average})
        result = self.validate()
        self.model.load_state_dict(weights)
        return result

    def end_epoch(self):
        at, settings = self.at, self.settings
        as_on_first(self.model.buffers())
        as_on_first(self.average.values())
        found = self.validate()
        averaged = self.validate_average() if settings.model_ema else None
        top1 = max(found["top1"], averaged["top1"] if averaged else 0.0)
        best = at.get("bestTop1") is None or top1 > at["bestTop1"]
        epoch, loss = at["epoch"], at["lossSum"] / max(1, at["imageCount"])
        at.update(epoch=epoch + 1, stepInEpoch=0, lossSum=0.0, imageCount=0, lastLoss=loss, lastTop1=found["top1"])
        at["bestTop1"] = top1 if best else at["bestTop1"]
        line = {"kind": "epoch", "epoch": epoch, "step": at["step"] - 1, "loss": loss}
        line |= {"top1": found["top1"], "top5": found["top5"], "validationLoss": found["loss"]}
        line |= {"images": found["images"], "imagesPerSecond": self.rate}
        if averaged:
            line |= {"averageTop1": averaged["top1"], "averageLoss": averaged["loss"]}
        if RANK == 0:
            folder.append_metrics(line)
        say(f"epoch {epoch + 1}: top-1 {100 * found['top1']:.2f} % on {found['images']} images, loss {found['loss']:.5g}")
        state = self.model.state_dict()
        if best:
            use_average = averaged is not None and averaged["top1"] > found["top1"]
            self.save("best.safetensors", {**state, **self.average} if use_average else state)
        if settings.checkpoint_interval > 0 and (epoch + 1) % settings.checkpoint_interval == 0:
            self.save(f"model_{epoch}.safetensors", state)
        self.save_latest()

    def run(self):
        """Trains to the last epoch, or until it is wanted to stop. Returns what run.json says of it."""
        epochs = self.settings.epochs
        # Every forward pass in training begins with rank 0's running statistics.
        self.parallel = nn.parallel.DistributedDataParallel(self.model) if RANKS > 1 else self.model
        while self.at["epoch"] < epochs and self.order is None:
            self.train_epoch()
            if self.order == "stop":
                as_on_first(self.model.buffers())
                self.save_latest()
                break
            self.end_epoch()
        at = self.at
        summary = {
            "epochs": at["epoch"],
            "bestTop1": at.get("bestTop1", 0),
            "lastTop1": at.get("lastTop1", 0),
            "loss": at.get("lastLoss", 0),
            "imagesPerSecond": self.rate,
            "stopped": "finished" if at["epoch"] >= epochs else "afterEpoch",
        }
        return ("done" if at["epoch"] >= epochs else "stopped"), summary


# Program -----------------------------------------------------------------------------------------------------------

STOPPED = []


def main():
    job, settings, job_json = folder.read_job()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: STOPPED.append(True))
    backend = start_ranks(job, settings)
    lock = folder.lock_folder() if RANK == 0 else None
    run = {"backend": backend, "global_batch": settings.batch_size * RANKS * settings.grad_accum_steps}
    if RANK == 0:
        folder.remove_abandoned()
        run["started"] = folder.read_started()
        say(f"{job.network.name} on {job.request.dataPath}: {backend}")
        for line in folder.describe(settings):
            say(line)
        folder.write_run("running", job_json, **run)
    try:
        trainer = Trainer(job, settings)
        run["stepsPerEpoch"] = trainer.steps
        resumed = trainer.resume()
        if RANK == 0:
            folder.rewind_metrics(trainer.at["epoch"], trainer.at["step"])
            folder.write_run("running", job_json, **run)
        if resumed:
            say(f"goes on after {trainer.at['step']} steps, in epoch {trainer.at['epoch'] + 1} of {settings.epochs}")
        elif settings.bn_recalibrate > 0:
            trainer.recalibrate(settings.bn_recalibrate)
        state, summary = trainer.run()
        if RANK == 0:
            folder.write_run(state, job_json, **run, summary=summary)
        say(f"{state}: top-1 {100 * summary['lastTop1']:.2f} % after {summary['epochs']} epochs, best {100 * summary['bestTop1']:.2f} %")
    except BaseException as error:
        reason = folder.note_failure(error)
        if RANK == 0:
            folder.write_run("failed", job_json, **run, error=reason)
        raise
    finally:
        del lock
    if RANKS > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())

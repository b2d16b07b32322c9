"""Speed of a job's training step, in the job's own folder: ddp_side.py STEPS. The whole step of train.py (loss, backward with
DistributedDataParallel, sums over ranks, optimiser) on one batch that stays in memory, so that no loading is measured.
Rank 0 prints images per second of all ranks together.
"""

import itertools
import json
import sys
import time

import train
from torch import nn

job, settings, _ = train.folder.read_job()
train.start_ranks(job, settings)
steps, output, sys.stdout = int(sys.argv[1]), sys.stdout, sys.stderr
trainer = train.Trainer(job, settings)
trainer.parallel = nn.parallel.DistributedDataParallel(trainer.model) if train.RANKS > 1 else trainer.model
trainer.model.train()
parts = trainer.batches.parts(0)
batches = itertools.repeat(next(iter(trainer.loader)))
for _ in range(5):
    trainer.step(batches, parts)
since = time.monotonic()
images = sum(trainer.step(batches, parts) for _ in range(steps))
if train.RANK == 0:
    print(json.dumps({"imagesPerSecond": images / (time.monotonic() - since)}), file=output)
if train.RANKS > 1:
    train.dist.destroy_process_group()

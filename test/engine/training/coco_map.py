"""COCO's average precision of boxes: {images: [{objects: [[label, l, t, r, b]], boxes: [[label, score, l, t, r, b]]}]} on a file."""

import contextlib
import io
import json
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIDE = 1000


def rectangle(left, top, right, bottom):
    return [left * SIDE, top * SIDE, (right - left) * SIDE, (bottom - top) * SIDE]


images = json.load(open(sys.argv[1]))["images"]
objects, boxes, labels = [], [], set()
for number, image in enumerate(images, 1):
    for label, *sides in image["objects"]:
        box = rectangle(*sides)
        area = box[2] * box[3]
        objects.append(dict(id=len(objects) + 1, image_id=number, category_id=label, bbox=box, area=area, iscrowd=0))
        labels.add(label)
    for label, score, *sides in image["boxes"]:
        boxes.append(dict(image_id=number, category_id=label, bbox=rectangle(*sides), score=score))
        labels.add(label)
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO()
    truth.dataset = dict(
        images=[dict(id=i + 1, width=SIDE, height=SIDE) for i in range(len(images))],
        annotations=objects,
        categories=[dict(id=label, name=str(label)) for label in sorted(labels)],
    )
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(boxes), "bbox")
    # Areas do not count here: sides are shares of the image.
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]] * 4, ["all", "small", "medium", "large"]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
print(json.dumps(dict(map=evaluation.stats[0], map50=evaluation.stats[1])))

"""Networks with outputs for places and boxes, small: segmentation and detection.

`unet`, `detr` and `detr_plain…` need PyTorch and torchvision alone; the others need transformers or segmentation_models_pytorch.
"""
import torch
import torchvision
from torch import nn


class Named(nn.Module):
    """The outputs of a Transformers network that its loss is computed of, by name."""

    def __init__(self, network, names):
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, images):
        outputs = self.network(pixel_values=images)
        return {name: outputs[name] for name in self.names}


def segmentation(name, **options):
    return torchvision.models.segmentation.__dict__[name](weights=None, weights_backbone=None, num_classes=7, **options)


def lraspp_mobilenet_v3_large():
    return segmentation("lraspp_mobilenet_v3_large")


def fcn_resnet50():
    return segmentation("fcn_resnet50", aux_loss=True)


def deeplabv3_mobilenet_v3_large():
    return segmentation("deeplabv3_mobilenet_v3_large", aux_loss=True)


def deeplabv3_resnet50():
    return segmentation("deeplabv3_resnet50", aux_loss=False)


def smp(name, encoder="resnet18", **options):
    import segmentation_models_pytorch

    return getattr(segmentation_models_pytorch, name)(encoder, encoder_weights=None, classes=5, **options)


def smp_unet_resnet18():
    return smp("Unet")


def smp_unet_scse_mobilenet():
    return smp("Unet", "mobilenet_v2", decoder_attention_type="scse")


def smp_unetplusplus_resnet18():
    return smp("UnetPlusPlus")


def smp_fpn_resnet18():
    return smp("FPN")


def smp_deeplabv3plus_resnet18():
    return smp("DeepLabV3Plus")


def smp_manet_resnet18():
    return smp("MAnet")


def smp_linknet_resnet18():
    return smp("Linknet")


def smp_pspnet_resnet18():
    return smp("PSPNet")


def smp_pan_resnet18():
    return smp("PAN")


def smp_upernet_resnet18():
    return smp("UPerNet")


def smp_segformer_resnet18():
    return smp("Segformer")


class UNet(nn.Module):
    """Ronneberger et al., 2015, padded: two convolutions a level, pooled on the way down, joined on the way up."""

    def __init__(self, widths=(16, 24, 32, 48), upsampling="transposed", norm=nn.BatchNorm2d):
        super().__init__()
        level = lambda a, b: nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1, bias=False), norm(b), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), norm(b), nn.ReLU()
        )
        self.down = nn.ModuleList(level(a, b) for a, b in zip((3, *widths), widths))
        pairs = list(zip(widths[:0:-1], widths[-2::-1]))
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 2, stride=2)
            if upsampling == "transposed"
            else nn.Sequential(nn.Upsample(scale_factor=2, mode=upsampling), nn.Conv2d(a, b, 1))
            for a, b in pairs
        )
        self.up = nn.ModuleList(level(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, x):
        kept = []
        for i, level in enumerate(self.down):
            x = level(x if i == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for grow, level, skip in zip(self.grow, self.up, kept[-2::-1]):
            x = level(torch.cat([skip, grow(x)], 1))
        return self.head(x)


def unet():
    return UNet()


def unet_bilinear():
    return UNet(upsampling="bilinear")


def unet_group_norm():
    return UNet(norm=lambda channels: nn.GroupNorm(4, channels))


def unet_instance_norm():
    return UNet(norm=lambda channels: nn.InstanceNorm2d(channels, affine=True))


class DETR(nn.Module):
    """Carion et al., 2020, as in the paper's listing, with the batch first: learned queries and places, a head for classes and one for boxes."""

    def __init__(self, width=64, heads=4, queries=10, norm_first=False):
        super().__init__()
        backbone = torchvision.models.resnet18(weights=None)
        self.backbone = nn.Sequential(*list(backbone.children())[:-2])
        self.project = nn.Conv2d(512, width, 1)
        self.transformer = nn.Transformer(width, heads, 2, 2, 128, batch_first=True, norm_first=norm_first, dropout=0.1)
        self.queries = nn.Parameter(torch.rand(queries, width))
        self.rows = nn.Parameter(torch.rand(20, width // 2))
        self.columns = nn.Parameter(torch.rand(20, width // 2))
        self.classes = nn.Linear(width, 6)
        self.boxes = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))

    def forward(self, images):
        x = self.project(self.backbone(images))
        height, width = x.shape[-2:]
        places = torch.cat(
            [self.columns[:width].unsqueeze(0).repeat(height, 1, 1), self.rows[:height].unsqueeze(1).repeat(1, width, 1)], -1
        ).flatten(0, 1)
        queries = self.queries.unsqueeze(0).expand(images.shape[0], -1, -1)
        found = self.transformer(places.unsqueeze(0) + 0.1 * x.flatten(2).transpose(1, 2), queries)
        return {"logits": self.classes(found), "boxes": self.boxes(found).sigmoid()}


def detr_plain():
    return DETR()


def detr_plain_norm_first():
    return DETR(norm_first=True)


def resnet_backbone():
    from transformers import ResNetConfig

    return ResNetConfig(
        embedding_size=16, hidden_sizes=[24, 32, 48, 64], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )


def detr():
    from transformers import DetrConfig, DetrForObjectDetection

    config = DetrConfig(
        use_timm_backbone=False, backbone=None, use_pretrained_backbone=False, backbone_config=resnet_backbone(),
        d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=96, decoder_ffn_dim=96, num_queries=10, num_labels=5,
    )
    return Named(DetrForObjectDetection(config), ["logits", "pred_boxes"])


def conditional_detr():
    from transformers import ConditionalDetrConfig, ConditionalDetrForObjectDetection

    config = ConditionalDetrConfig(
        use_timm_backbone=False, backbone=None, use_pretrained_backbone=False, backbone_config=resnet_backbone(),
        d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=96, decoder_ffn_dim=96, num_queries=10, num_labels=5,
    )
    return Named(ConditionalDetrForObjectDetection(config), ["logits", "pred_boxes"])


def yolos():
    from transformers import YolosConfig, YolosForObjectDetection

    config = YolosConfig(
        hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, image_size=[64, 64], patch_size=8,
        num_detection_tokens=10, num_labels=5,
    )
    return Named(YolosForObjectDetection(config), ["logits", "pred_boxes"])


def rt_detr():
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=24, hidden_sizes=[24, 32, 48, 64], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=32, encoder_in_channels=[32, 48, 64], encoder_ffn_dim=48,
        encoder_attention_heads=4, d_model=32, num_queries=10, decoder_in_channels=[32, 32, 32], decoder_ffn_dim=48,
        decoder_layers=2, decoder_attention_heads=4, num_denoising=0, num_labels=5, num_feature_levels=3,
    )
    return Named(RTDetrForObjectDetection(config), ["logits", "pred_boxes"])


def segformer():
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=32, num_labels=5
    )
    return Named(SegformerForSemanticSegmentation(config), ["logits"])


def upernet_convnext():
    from transformers import ConvNextConfig, UperNetConfig, UperNetForSemanticSegmentation

    backbone = ConvNextConfig(hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1], out_features=["stage1", "stage2", "stage3", "stage4"])
    config = UperNetConfig(
        backbone_config=backbone, hidden_size=32, auxiliary_in_channels=32, auxiliary_channels=16, num_labels=5, use_auxiliary_head=False
    )
    return Named(UperNetForSemanticSegmentation(config), ["logits"])


def dpt():
    from transformers import DPTConfig, DPTForSemanticSegmentation

    config = DPTConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=48, image_size=64, patch_size=8,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[12, 16, 24, 24], fusion_hidden_size=16, num_labels=5,
        use_auxiliary_head=False, is_hybrid=False,
    )
    return Named(DPTForSemanticSegmentation(config), ["logits"])

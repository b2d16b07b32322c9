"""Small networks of the kinds that people bring, for images of 32 × 32; each function gives one."""
import torch
from torch import nn
from torch.nn import functional as F


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.reduce = nn.Conv2d(channels, 8, 1)
        self.expand = nn.Conv2d(8, channels, 1)

    def forward(self, x):
        scale = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.expand(F.silu(self.reduce(scale))))


class Residual(nn.Module):
    """Stem, grouped and depthwise convolutions, squeeze and excitation, a shortcut, in-place activations."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.a = nn.Sequential(nn.Conv2d(16, 24, 1), nn.BatchNorm2d(24), nn.Hardswish(inplace=True))
        self.depthwise = nn.Sequential(nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.BatchNorm2d(24), nn.ReLU6())
        # Names as RegNet has them, and one that could be an exporter's.
        self.stages = nn.ModuleDict({"stage-0": Squeeze(24)})
        self.p_1 = nn.Parameter(torch.ones(10))
        self.grouped = nn.Conv2d(24, 16, 3, padding=1, groups=4, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.grouped(self.stages["stage-0"](self.depthwise(self.a(x)))))
        x = F.relu(x + y)
        return self.head(self.dropout(x.mean((2, 3)))) * self.p_1


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x, mask=None):
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v, mask)
        return self.proj(x.transpose(1, 2).reshape(n, length, width))


class Transformer(nn.Module):
    """Patches, class token, positions, fused attention, layer scale."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 24))
        self.positions = nn.Parameter(torch.zeros(1, 17, 24))
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "norm1": nn.LayerNorm(24), "attn": Attention(24, 4), "norm2": nn.LayerNorm(24),
            "up": nn.Linear(24, 48), "down": nn.Linear(48, 24),
        }) for _ in range(2))
        self.scale = nn.Parameter(torch.ones(24))
        self.norm = nn.LayerNorm(24)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for block in self.blocks:
            x = x + block["attn"](block["norm1"](x))
            x = x + block["down"](F.gelu(block["up"](block["norm2"](x)))) * self.scale
        return self.head(self.norm(x)[:, 0])


class Scaled(nn.Module):
    """Attention whose scores are scaled in one of the ways that code has for it."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.qkv = nn.Linear(24, 72)
        self.proj = nn.Linear(24, 24)
        self.logit_scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, 4, 6)).permute(2, 0, 3, 1, 4).unbind(0)
        factor = 6 ** -0.5
        if self.way == "fused":
            y = F.scaled_dot_product_attention(q, k, v)
        elif self.way == "fused with a scale":
            y = F.scaled_dot_product_attention(q, k, v, scale=factor)
        else:
            if self.way == "queries":
                scores = (q * factor) @ k.transpose(-2, -1)
            elif self.way == "both":
                scores = (q * 6 ** -0.25) @ (k * 6 ** -0.25).transpose(-2, -1)
            elif self.way == "scores":
                scores = (q @ k.transpose(-2, -1)) / 6 ** 0.5
            else:
                scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.logit_scale.exp()
            y = scores.softmax(-1) @ v
        return self.proj(y.transpose(1, 2).flatten(2))


class ScaledAttentions(nn.Module):
    """Every way of scaling, one after the other."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 8, 8)
        ways = ["fused", "fused with a scale", "queries", "both", "scores", "logits"]
        self.blocks = nn.ModuleList(Scaled(way) for way in ways)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x.mean(1))


class Decoder(nn.Module):
    """Two outputs: resize, transposed convolution, group norm, concatenation, reflected borders, pixel shuffle."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 16, 3, 2)
        self.norm = nn.GroupNorm(4, 16)
        self.deep = nn.Conv2d(16, 24, 3, 2, 1)
        self.up = nn.ConvTranspose2d(24, 16, 2, 2)
        self.mix = nn.Conv2d(32, 12, 3, padding=1)
        self.mask = nn.Conv2d(12, 5, 1)
        self.shuffled = nn.Conv2d(24, 12, 1)
        self.boxes = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        x = F.leaky_relu(self.norm(self.down(F.pad(x, (1, 1, 1, 1), mode="reflect"))), 0.1)
        deep = F.elu(self.deep(x))
        joined = F.mish(self.mix(torch.cat([x, self.up(deep)], 1)))
        mask = F.interpolate(self.mask(joined), scale_factor=2, mode="bilinear", align_corners=False)
        boxes = self.boxes(F.pixel_shuffle(self.shuffled(deep), 2))
        return {"mask": mask, "boxes": boxes}


class RootMeanSquare2d(nn.Module):
    """Zhang & Sennrich, 2019, of images, written out."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6) * self.weight[:, None, None]


class Responses(nn.Module):
    """Norm by the mean of the channels' responses (ConvNeXt V2), channels last."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels))
        self.bias = nn.Parameter(torch.rand(channels))

    def forward(self, x):
        response = x.norm(p=2, dim=(1, 2), keepdim=True)
        return x + torch.addcmul(self.bias, self.weight, x * (response / (response.mean(dim=-1, keepdim=True) + 1e-6)))


class Outlooking(nn.Module):
    """Attention whose layer gives the shares of each window's places, put together by folding (VOLO)."""

    def __init__(self, width=16, heads=2):
        super().__init__()
        self.heads = heads
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.v = nn.Linear(width, width)
        self.attn = nn.Linear(width, heads * 81)
        self.proj = nn.Linear(width, width)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.stem(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        v = F.unfold(self.v(x).permute(0, 3, 1, 2), 3, padding=1, stride=2)
        v = v.reshape(n, self.heads, c // self.heads, 9, h * w // 4).permute(0, 1, 4, 3, 2)
        attn = F.avg_pool2d(x.permute(0, 3, 1, 2), 2, 2).permute(0, 2, 3, 1)
        attn = self.attn(attn).reshape(n, h * w // 4, self.heads, 9, 9).permute(0, 2, 1, 3, 4)
        x = (attn.softmax(-1) @ v).permute(0, 1, 4, 3, 2).reshape(n, c * 9, h * w // 4)
        x = F.fold(x, (h, w), 3, padding=1, stride=2)
        return self.head(self.proj(x.permute(0, 2, 3, 1)).relu().mean((1, 2)))


class Rooted(nn.Module):
    """Norms by the root of the mean square after every layer, and one by the mean of responses."""

    def __init__(self):
        super().__init__()
        conv = lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), RootMeanSquare2d(b), nn.GELU())
        self.body = nn.Sequential(conv(3, 16), conv(16, 24))
        self.wide = nn.Sequential(nn.Linear(24, 48), nn.GELU(), Responses(48), nn.Linear(48, 24))
        self.norm = nn.RMSNorm(24)
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        x = self.wide(self.body(x).permute(0, 2, 3, 1))
        return self.head(self.norm(x.mean((1, 2))))


class Masked(nn.Module):
    """Attention with a mask of all images' pixels and places counted in it, as transformers' detectors make them; dropped maps, frozen norm."""

    def __init__(self, width=16, heads=4):
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.queries = nn.Embedding(6, width)
        self.attention = Attention(width, heads)
        self.drop = nn.Dropout2d(0.3, inplace=True)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        n = x.shape[0]
        seen = torch.ones(n, *x.shape[-2:])
        tokens = self.drop(self.patches(x))
        mask = F.interpolate(seen[None].float(), size=tokens.shape[-2:]).to(torch.bool)[0]
        places = mask.cumsum(2, dtype=torch.float32) / (mask.float().cumsum(2)[:, :, -1:] + 1e-6)
        waves = 10 ** (torch.arange(8) * 0.125) - (torch.arange(8) > 2.5) * 0.5 + torch.arange(8) ** 0.5 * torch.arange(8).sqrt()
        codes = torch.stack((torch.sin(places[..., None] * waves), torch.cos(places[..., None] * waves)), 4).flatten(3)
        tokens = tokens.flatten(2).transpose(1, 2) + codes.flatten(1, 2)
        images, keys = torch.arange(n)[:, None, None, None], torch.arange(tokens.shape[1])[None, None, None, :]
        # Written into single entries and parts of a table.
        table = torch.stack((torch.arange(16.0), torch.arange(16.0)), -1)
        table[:, 0] /= 16
        table[2:5, 1] = torch.outer(torch.arange(3) + 1, torch.ones(2))[:, 0]
        tokens = tokens + (((table > 0.1) * (table < 3)).all(-1, keepdim=True) * table.sum(-1, keepdim=True))
        hidden = (mask.flatten(1)[images, keys] & (keys >= 0)).expand(n, 1, tokens.shape[1], tokens.shape[1])
        found = self.attention(tokens, hidden)
        # Weights of a queue of zeros, as queries begin.
        queries = self.queries.weight[None].repeat(n, 1, 1)
        return self.head((found.mean(1, keepdim=True) + torch.zeros_like(queries) + queries).mean(1))


class Shuffled(nn.Module):
    """Channels split, shuffled and joined; a product by index letters; a branch by slices."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, 2, 1)
        self.branch = nn.Sequential(nn.Conv2d(12, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.after = nn.Conv2d(24, 20, 3, padding=1)
        self.mix = nn.Parameter(torch.randn(20, 14) * 0.2)
        self.head = nn.Linear(14, 10)

    def forward(self, x):
        left, right = self.stem(x).chunk(2, 1)
        x = torch.stack([left, self.branch(right)], 2).flatten(1, 2)
        x = torch.einsum("nchw,cd->ndhw", torch.tanh(self.after(x)), self.mix)
        return self.head(F.avg_pool2d(x[:, :, ::2, 1:], 2, ceil_mode=True).amax((2, 3)))


class Normed(nn.Module):
    """Norms that have neither weight nor bias, each for itself."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.InstanceNorm2d(24, 0.1), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(24, 20, 3, 2, 1), nn.InstanceNorm2d(20), nn.LayerNorm((8, 8), 0.1, False))
        self.after = nn.Conv2d(20, 16, 3, padding=1)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.after(self.body(self.stem(x)).relu()).relu().mean((2, 3)))


class Joined(nn.Module):
    """Biases joined of several parameters and of zeros, as BEiT and Swin V2 have them; a query for all windows of an image."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 4, 4, bias=False)
        self.left, self.right = nn.Parameter(torch.zeros(8)), nn.Parameter(torch.zeros(16))
        self.qkv = nn.Linear(24, 72, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(24)), nn.Parameter(torch.zeros(24))
        self.register_buffer("k_bias", torch.zeros(24), persistent=False)
        self.proj = nn.Linear(24, 20)
        self.head = nn.Linear(20, 10)

    def forward(self, x):
        x = F.conv2d(x, self.patches.weight, torch.cat([self.left, self.right]), 4)
        n = x.shape[0]
        # 2 × 2 windows of 4 × 4.
        x = x.view(n, 24, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 24)
        x = F.linear(x, self.qkv.weight, torch.cat([self.q_bias, self.k_bias, self.v_bias]))
        q, k, v = x.reshape(-1, 16, 3, 4, 6).permute(2, 0, 3, 1, 4).unbind(0)
        q = q + q.view(n, 4, 4, 16, 6).mean(1).repeat_interleave(4, 0)
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, 64, 24)
        return self.head(F.gelu(self.proj(x), approximate="tanh").mean(1))


class StandardisedConv(nn.Conv2d):
    def forward(self, x):
        weight = F.batch_norm(self.weight.reshape(1, self.out_channels, -1), None, None, training=True, eps=1e-6)
        return F.conv2d(x, weight.reshape_as(self.weight), self.bias, self.stride, self.padding)


class Standardised(nn.Module):
    """Weights that the module standardises before it uses them, as BiT and NFNet do."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(StandardisedConv(3, 16, 3, 2, 1), nn.ReLU(), StandardisedConv(16, 12, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class Composed(nn.Module):
    """Operations that are written out as several."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.SELU(), nn.Conv2d(16, 12, 3, padding=1), nn.CELU(0.7))
        self.other = nn.Conv2d(3, 12, 3, 2, 1)
        self.after = nn.Conv2d(12, 10, 1)
        self.head = nn.Linear(10, 10)

    def forward(self, x):
        x, y = self.stem(x), self.other(x)
        x = torch.lerp(x, y, 0.3).addcmul(x, y, value=0.5) + F.softshrink(y, 0.1)
        x = F.avg_pool2d(F.adaptive_max_pool2d(x, 8), 2, divisor_override=3)
        x = self.after(x)
        x = x.flatten(2).cumsum(2) - torch.logsumexp(x.flatten(2), 2, keepdim=True)
        # Written into a part of itself.
        x = torch.cat([x, x.relu()], 2)
        x[:, :, 1:9] = x[:, :, 3:11] * 2
        x[:, :, 20:] += x[:, :, :12]
        return torch.addmm(x.mean(2), x.amax(2), self.head.weight.t(), beta=0.5, alpha=2)


class Segmenter(nn.Module):
    """Down by pooling, up by transposed convolutions and by every way of resizing, places as channels; outputs by name."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.deep = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(12, 16, 3, padding=1), nn.InstanceNorm2d(16, affine=True), nn.ReLU())
        self.grow = nn.ConvTranspose2d(16, 10, 2, stride=2)
        self.join = nn.Conv2d(24, 12, 3, padding=1)
        self.classes = nn.Conv2d(12, 4, 1)
        self.aux = nn.Conv2d(16, 4, 1)
        self.columns = nn.Parameter(torch.rand(5, 12))

    def forward(self, x):
        side = x.shape[-1]
        x = self.stem(x)
        deep = self.deep(x)
        rows, columns = torch.meshgrid(torch.linspace(0, 1, 16), torch.linspace(-1, 1, 16), indexing="xy")
        places = torch.stack([rows, columns]).expand(x.shape[0], -1, -1, -1)
        x = self.join(torch.cat([x, self.grow(deep), places], 1))
        kinds = (torch.arange(16) % 5).expand(x.shape[0], -1)
        x = x + (F.one_hot(kinds, 5).to(x.dtype) @ self.columns).transpose(1, 2).unsqueeze(2)
        small = F.interpolate(x, (7, 5), mode="bicubic", antialias=True) + F.interpolate(x, (7, 5), mode="bilinear", antialias=True)
        x = x + F.interpolate(small, (16, 16), mode="nearest-exact")
        out = F.interpolate(self.classes(x), (side, side), mode="bilinear", align_corners=False)
        aux = F.interpolate(self.aux(deep), scale_factor=4, mode="nearest")
        return {"out": out, "others": (aux, [out.softmax(1)])}


class Unknown(nn.Module):
    """An operation that Espalier knows nothing of, between two layers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 12, 3, 2, 1))
        self.sorting = Sorting()
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        return self.head(self.sorting(self.stem(x)).mean((2, 3)))


class Sorting(nn.Module):
    def forward(self, x):
        return torch.sort(x, 1)[0]


outlooking = Outlooking
residual = Residual
transformer = Transformer
scaled = ScaledAttentions
decoder = Decoder
shuffled = Shuffled
normed = Normed
joined = Joined
standardised = Standardised
composed = Composed
segmenter = Segmenter
masked = Masked
rooted = Rooted
unknown = Unknown

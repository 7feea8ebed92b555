"""SAM ViT-B and what adapts it as modules of PyTorch, only to compare with: the same shapes and the same arithmetic as
ssam's, random weights. The image encoder has windows and decomposed relative positions, the mask decoder one text token;
linear layers are S-SAM's in two forms, LoRA's or plain.
"""

import torch
import torch.nn.functional as F
from torch import nn


class SingularValues(nn.Module):
    """The frozen factors of a weight [out, in] and what S-SAM trains: relu(scale * s + shift)."""

    def __init__(self, inputs, outputs):
        super().__init__()
        rank = min(outputs, inputs)  # no real factors: the time does not depend on their values
        u, s, vt = torch.randn(outputs, rank) / rank**0.5, torch.ones(rank), torch.randn(rank, inputs) / inputs**0.5
        for name, value in (("u", u), ("s", s), ("vt", vt), ("bias", torch.zeros(outputs))):
            self.register_buffer(name, value)
        self.scale = nn.Parameter(torch.ones_like(s))
        self.shift = nn.Parameter(torch.zeros_like(s))

    def values(self):
        return F.relu(self.scale * self.s + self.shift)

    def weight(self):
        """As S-SAM's authors form it, in every forward pass."""
        return self.u @ torch.diag(self.values()) @ self.vt


class SvdLinear(SingularValues):
    """As published."""

    def forward(self, x):
        return F.linear(x, self.weight(), self.bias)


class FactoredSvdLinear(SingularValues):
    """The same answers without the weight, rewritten by hand."""

    def forward(self, x):
        return F.linear(F.linear(x, self.vt), self.u * self.values(), self.bias)


class SvdConvolution(SingularValues):
    def __init__(self, inputs, outputs, kernel):
        super().__init__(inputs * kernel * kernel, outputs)
        self.kernel = kernel

    def forward(self, x):
        weight = self.weight().reshape(len(self.u), -1, self.kernel, self.kernel)
        return F.conv2d(x, weight, padding=self.kernel // 2)


class LoraLinear(nn.Linear):
    """Rank 4, dropout behind the branch, as in S-SAM's published baseline."""

    def __init__(self, inputs, outputs, rank=4):
        super().__init__(inputs, outputs)
        self.down = nn.Parameter(torch.randn(rank, inputs) / rank)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x):
        branch = F.linear(F.linear(x, self.down), self.up)
        return super().forward(x) + F.dropout(branch, 0.1, self.training)


def convolution(inputs, outputs, kernel):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


def relative(table, extent):
    at = torch.arange(extent, device=table.device)
    return table[at[:, None] - at[None, :] + extent - 1]


class EncoderBlock(nn.Module):
    def __init__(self, linear, dim, heads, extent, window):
        super().__init__()
        self.heads, self.window = heads, window
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.proj = linear(dim, 3 * dim), linear(dim, dim)
        self.lin1, self.lin2 = linear(dim, 4 * dim), linear(4 * dim, dim)
        self.rel_h = nn.Parameter(0.02 * torch.randn(2 * extent - 1, dim // heads), requires_grad=False)
        self.rel_w = nn.Parameter(0.02 * torch.randn(2 * extent - 1, dim // heads), requires_grad=False)

    def attend(self, x):
        batch, h, w, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        grid = q.reshape(batch, self.heads, h, w, -1)
        bias_h = torch.einsum("bnhwc,hkc->bnhwk", grid, relative(self.rel_h, h).to(q.dtype))
        bias_w = torch.einsum("bnhwc,wkc->bnhwk", grid, relative(self.rel_w, w).to(q.dtype))
        bias = (bias_h[..., :, None] + bias_w[..., None, :]).reshape(batch, self.heads, h * w, h * w)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(x.transpose(1, 2).reshape(batch, h, w, dim))

    def forward(self, x):
        residual, x = x, self.norm1(x)
        if self.window:
            batch, h, w, dim = x.shape
            side = self.window
            pad_h, pad_w = -h % side, -w % side
            x = F.pad(x, (0, 0, 0, pad_w, 0, pad_h))
            rows, cols = (h + pad_h) // side, (w + pad_w) // side
            x = x.reshape(batch, rows, side, cols, side, dim).transpose(2, 3).reshape(-1, side, side, dim)
            x = self.attend(x).reshape(batch, rows, cols, side, side, dim).transpose(2, 3)
            x = x.reshape(batch, rows * side, cols * side, dim)[:, :h, :w]
        else:
            x = self.attend(x)
        x = residual + x
        return x + self.lin2(F.gelu(self.lin1(self.norm2(x))))


class Norm2d(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    def __init__(self, size, linear, convolution=convolution, dim=768, depth=12, heads=12, out=256):
        super().__init__()
        grid = size // 16
        self.patch = nn.Conv2d(3, dim, 16, 16)
        self.position = nn.Parameter(torch.zeros(1, grid, grid, dim))
        self.blocks = nn.ModuleList(
            EncoderBlock(linear, dim, heads, grid if i % 3 == 2 else 14, 0 if i % 3 == 2 else 14) for i in range(depth)
        )
        self.neck = nn.Sequential(
            convolution(dim, out, 1), Norm2d(out), convolution(out, out, 3), Norm2d(out)
        )

    def forward(self, images):
        x = self.patch(images).permute(0, 2, 3, 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 3, 1, 2))


class Attention(nn.Module):
    def __init__(self, dim, inner, heads=8):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(dim, inner) for _ in range(3))
        self.out = nn.Linear(inner, dim)

    def forward(self, q, k, v):
        split = lambda x: x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        x = F.scaled_dot_product_attention(split(self.q(q)), split(self.k(k)), split(self.v(v)))
        return self.out(x.transpose(1, 2).flatten(2))


class TwoWayBlock(nn.Module):
    def __init__(self, dim, first):
        super().__init__()
        self.first = first
        self.own, self.to_image, self.to_token = Attention(dim, dim), Attention(dim, dim // 2), Attention(dim, dim // 2)
        self.mlp = nn.Sequential(nn.Linear(dim, 2048), nn.ReLU(), nn.Linear(2048, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(4))

    def forward(self, queries, keys, token, position):
        if self.first:
            queries = self.own(queries, queries, queries)
        else:
            q = queries + token
            queries = queries + self.own(q, q, queries)
        queries = self.norms[0](queries)
        queries = self.norms[1](queries + self.to_image(queries + token, keys + position, keys))
        queries = self.norms[2](queries + self.mlp(queries))
        keys = self.norms[3](keys + self.to_token(keys + position, queries + token, queries))
        return queries, keys


class Decoder(nn.Module):
    def __init__(self, dim=256):
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(5, dim))
        self.blocks = nn.ModuleList(TwoWayBlock(dim, i == 0) for i in range(2))
        self.last, self.norm = Attention(dim, dim // 2), nn.LayerNorm(dim)
        self.up1, self.up_norm = nn.ConvTranspose2d(dim, dim // 4, 2, 2), Norm2d(dim // 4)
        self.up2 = nn.ConvTranspose2d(dim // 4, dim // 8, 2, 2)
        self.hyper = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim // 8)
        )

    def forward(self, embedding, text, position):
        batch, dim, h, w = embedding.shape
        token = torch.cat([self.tokens.expand(batch, -1, -1), text[:, None]], 1)
        queries, keys = token, embedding.flatten(2).transpose(1, 2)
        for block in self.blocks:
            queries, keys = block(queries, keys, token, position)
        queries = self.norm(queries + self.last(queries + token, keys + position, keys))
        pixels = F.gelu(self.up_norm(self.up1(keys.transpose(1, 2).reshape(batch, dim, h, w))))
        pixels = F.gelu(self.up2(pixels))
        return torch.einsum("bc,bchw->bhw", self.hyper(queries[:, 1]), pixels)


METHODS = {"ssam": SvdLinear, "ssam_factored": FactoredSvdLinear, "lora": LoraLinear, "full": nn.Linear}


class Trained(nn.Module):
    """SAM with text prompts, adapted by one of METHODS: what ssam's recipes of the paper's rule train is trained."""

    def __init__(self, size, method):
        super().__init__()
        singular = method.startswith("ssam")
        self.encoder = Encoder(size, METHODS[method], SvdConvolution if singular else convolution)
        self.decoder = Decoder()
        self.text = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.BatchNorm1d(256))
        self.register_buffer("position", torch.randn(1, (size // 16) ** 2, 256))
        adapters = (".scale", ".shift", ".down", ".up", "encoder.position")
        for name, parameter in self.named_parameters():
            adapter = name.endswith(adapters) or ("encoder" in name and "norm" in name)
            parameter.requires_grad_(method == "full" or adapter or name.startswith("text"))

    def forward(self, images, text):
        low_res = self.decoder(self.encoder(images), self.text(text), self.position)
        logits = F.interpolate(low_res[:, None], images.shape[-2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(logits[:, 0].float())


def mask_loss(p, t):
    """Dice and focal loss of probabilities, with ssam's numbers."""
    dice = 1 - (2 * (p * t).sum() + 1) / ((p + t).sum() + 1)
    alpha, miss = 0.25 + 0.5 * t, (p - t).abs()
    return dice + (alpha * miss**3 * F.binary_cross_entropy(p, t, reduction="none")).mean()

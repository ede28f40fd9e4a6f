"""SPECTRA in PyTorch, as one writes it there: what the kernels are timed against. Parameters are named as in the packages."""

import math

import torch
import torch.nn.functional as F
from torch import nn

LAMBDA, BETA, TAU = 0.5, 0.5, 0.7
EPSILON = 0.2
ENTROPY, ORTHOGONALITY, SPECIALITY = 1e-3, 0.03, 0.01
PRICE_RATE, PRICE_STEPS, PRICE_MOMENTUM, MOMENTUM = 0.02, 3, 0.95, 0.99


def transport(cost, epsilon, iterations, start=None):
    """The plan [N,E] after `iterations` steps, and the potentials g [1,E]."""
    tokens, experts = cost.shape
    kernel = cost * (-1 / epsilon)
    g = torch.zeros(1, experts, device=cost.device) if start is None else start
    for _ in range(iterations):
        f = -torch.logsumexp(kernel + g, 1, keepdim=True)
        g = math.log(tokens / experts) - torch.logsumexp(kernel + f, 0, keepdim=True)
    return torch.softmax(kernel + g, 1), g


def gram_of(mean):
    unit = F.normalize(mean, dim=-1)
    return unit @ unit.t()


def osr_cost(scores, gram):
    size = scores.abs()
    apart = gram * (1 - torch.eye(gram.shape[0], device=gram.device))
    return -scores + LAMBDA * (size @ apart**2) + BETA * F.relu(size - TAU) ** 2


class Router(nn.Module):
    """Recurrence over the sequence, top-k selection; its state is that of the packages' router."""

    def __init__(self, p):
        super().__init__()
        hidden, state = p["H"], p["G"]
        self.experts, self.dim, self.k, self.iterations = p["E"], p["D"], p["k"], p["iterations"]
        self.gru = nn.GRU(hidden, state, batch_first=True)
        self.projection = nn.Linear(state, self.experts * self.dim, bias=False)
        self.expression = nn.Linear(hidden, self.experts * self.dim, bias=False)
        self.potentials = self.mean = self.average = None
        self.price = torch.zeros(self.experts)

    def scores(self, x, state=None):
        h, last = self.gru(x, state)
        routing = F.normalize(self.projection(h).view(-1, self.experts, self.dim), dim=-1)
        expressions = F.normalize(self.expression(x).view(-1, self.experts, self.dim), dim=-1)
        return routing, expressions, (routing * expressions).sum(-1), last

    def gates(self, plan):
        weights, indices = torch.topk(plan, self.k, dim=-1)
        return weights / weights.sum(-1, keepdim=True), indices

    def forward(self, x, share):
        """The training rule: gates [N,k], experts [N,k], weighted losses, and what `commit` wants.

        `share` [] is that of the orthogonality loss, which is warmed up.
        """
        routing, expressions, scores, _ = self.scores(x)
        mean = expressions.mean(0)
        gram = gram_of(mean)
        start = None if self.potentials is None else self.potentials / EPSILON
        plan, g = transport(osr_cost(scores, gram), EPSILON, self.iterations, start)
        weights, indices = self.gates(plan)
        off = gram - torch.eye(self.experts, device=x.device)
        orthogonality = 0.7 * (off**2).sum() + 0.3 * torch.linalg.matrix_norm(off, 2) ** 2
        entropy = -(plan * torch.log(plan)).sum(-1).mean()
        overlap = routing @ routing.transpose(1, 2) * (1 - torch.eye(self.experts, device=x.device))
        speciality = (overlap**2).sum((1, 2)).mean() / (self.experts * (self.experts - 1))
        loss = ORTHOGONALITY * share * orthogonality + ENTROPY * entropy + SPECIALITY * speciality
        return weights, indices, loss, (scores.detach(), mean.detach(), g.detach())

    def causal(self, x, state):
        """One step of decoding: a price and a Gram matrix of earlier batches in place of the transport."""
        _, _, scores, last = self.scores(x, state)
        plan = torch.softmax((self.average - osr_cost(scores, gram_of(self.mean))) / EPSILON, -1)
        return *self.gates(plan), last

    @torch.no_grad()
    def commit(self, told):
        """The step's update of prices and averages."""
        scores, mean, g = told
        gram = torch.eye(self.experts) if self.mean is None else gram_of(self.mean)
        cost = osr_cost(scores, gram)
        even = scores.shape[0] * self.k / self.experts
        for i in range(PRICE_STEPS):
            chosen = torch.topk(self.price - cost, self.k, -1).indices.flatten()
            load = torch.bincount(chosen, minlength=self.experts)
            self.price = self.price - PRICE_RATE / math.sqrt(1 + i) * (load - even) / even
            self.price = self.price - self.price.mean()
        first = self.mean is None
        self.average = self.price if first else torch.lerp(self.price, self.average, PRICE_MOMENTUM)
        self.mean = mean if first else torch.lerp(mean, self.mean, MOMENTUM)
        self.potentials = EPSILON * (g - g.mean())


class Experts(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(p["E"], 2 * p["I"], p["H"]))
        self.down_proj = nn.Parameter(torch.empty(p["E"], p["H"], p["I"]))

    def one(self, x, expert):
        gate, up = F.linear(x, self.gate_up_proj[expert]).chunk(2, -1)
        return F.linear(F.silu(gate) * up, self.down_proj[expert])

    def forward(self, x, weights, indices):
        y = torch.zeros_like(x)
        for expert in range(self.gate_up_proj.shape[0]):
            token, slot = (indices == expert).nonzero(as_tuple=True)
            y = y.index_add(0, token, self.one(x[token], expert) * weights[token, slot, None])
        return y

    def single(self, x, weights, indices):
        """x [1,H]: only the chosen experts run."""
        chosen = indices[0].tolist()
        return sum(self.one(x, expert) * weights[0, j] for j, expert in enumerate(chosen))


class MoeLayer(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.router, self.experts = Router(p), Experts(p)

    def forward(self, x, share):
        weights, indices, loss, told = self.router(x, share)
        return self.experts(x.reshape(-1, x.shape[-1]), weights, indices).view_as(x), loss, told


class Attention(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(hidden, hidden, bias=False) for _ in range(4)
        )

    def forward(self, x, rotation, past=None):
        batch, length, hidden = x.shape
        split = lambda y: y.view(batch, length, self.heads, -1).transpose(1, 2)
        q, k, v = (split(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj))
        q, k = turn(q, rotation), turn(k, rotation)
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, hidden)), (k, v)


def turn(x, rotation):
    cos, sin = rotation
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def rotation_table(length, width, theta=10000.0):
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies)
    return angles.cos().float(), angles.sin().float()


class Layer(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(p["H"], eps=1e-5)
        self.self_attn = Attention(p["H"], p["heads"])
        self.post_attention_layernorm = nn.RMSNorm(p["H"], eps=1e-5)
        self.mlp = MoeLayer(p)

    def forward(self, x, rotation, share):
        x = x + self.self_attn(self.input_layernorm(x), rotation)[0]
        y, loss, told = self.mlp(self.post_attention_layernorm(x), share)
        return x + y, loss, told

    def step(self, x, rotation, past):
        """One token after `past` (keys, values, recurrent state)."""
        attended, pair = self.self_attn(self.input_layernorm(x), rotation, past[:2])
        x = x + attended
        normed = self.post_attention_layernorm(x)
        weights, indices, state = self.mlp.router.causal(normed, past[2])
        return x + self.mlp.experts.single(normed[0], weights, indices)[None], (*pair, state)


class Model(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.embed_tokens = nn.Embedding(p["V"], p["H"])
        self.layers = nn.ModuleList(Layer(p) for _ in range(p["layers"]))
        self.norm = nn.RMSNorm(p["H"], eps=1e-5)


class LanguageModel(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.model = Model(p)
        self.width = p["H"] // p["heads"]
        self.table = rotation_table(p["length"] + 1, self.width)

    def rotation(self, start, length):
        return tuple(half[start : start + length] for half in self.table)

    def head(self, x):
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)

    def forward(self, ids, targets, share):
        """Task loss, router losses, and what the routers' `commit` wants."""
        x, extra, told = self.model.embed_tokens(ids), 0.0, []
        for layer in self.model.layers:
            x, loss, statistics = layer(x, self.rotation(0, ids.shape[1]), share)
            extra = extra + loss
            told.append(statistics)
        return F.cross_entropy(self.head(x).flatten(0, 1), targets.flatten()), extra, told

    def step(self, token, cache):
        """Logits [V] of one token after the cache, and the next cache."""
        x, grown = self.model.embed_tokens(token), []
        for layer, past in zip(self.model.layers, cache):
            x, entry = layer.step(x, self.rotation(past[0].shape[2], 1), past)
            grown.append(entry)
        return self.head(x)[0, -1], grown

"""The cases by kind: each makes something with `run()` and `outputs()`, or says why not."""

import torch
import torch.nn.functional as F
from torch import nn

from spectra import LanguageModel, MoeLayer, Router, transport


def compiled_if(wanted, function):
    return torch.compile(function, dynamic=False) if wanted else function


class Gradients:
    """Forward and backward of `loss() -> (loss, outputs)` with respect to named leaves; `cotangent` where the loss is an array."""

    def __init__(self, loss, leaves, cotangent=None):
        self.cotangent = cotangent
        self.loss, self.leaves = loss, {name: leaf.requires_grad_() for name, leaf in leaves.items()}

    def run(self):
        for leaf in self.leaves.values():
            leaf.grad = None
        loss, outputs = self.loss()
        loss.backward(self.cotangent)
        return outputs

    def outputs(self):
        outputs = dict(self.run())
        return outputs | {f"gradient of {name}": leaf.grad for name, leaf in self.leaves.items()}


class Compute:
    """A forward pass without a gradient."""

    def __init__(self, compute):
        self.compute = compute

    def run(self):
        with torch.inference_mode():
            return self.compute()

    def outputs(self):
        return self.run()


def name_of(parameter):
    """PyTorch's name of a parameter → the packages'."""
    return parameter.replace("_l0", "").removeprefix("router.")


def fill(module, inputs):
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(inputs[name_of(name)])
    return {name_of(name): parameter for name, parameter in module.named_parameters()}


def gemm(params, inputs, compiled):
    a = inputs["a"].t() if params["transposeA"] else inputs["a"]
    b = inputs["b"].t() if params["transposeB"] else inputs["b"]
    return Compute(lambda: {"c": a @ b})


def rotary(i):
    cos, sin = i["cos"].unsqueeze(2), i["sin"].unsqueeze(2)
    a, b = i["x"].chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def attention(i):
    heads = i["x"].transpose(1, 2)
    return F.scaled_dot_product_attention(heads, heads, heads, is_causal=True).transpose(1, 2)


def swiglu(i):
    gate, up = i["x"].chunk(2, -1)
    return F.silu(gate) * up


FUSED = {
    "sinkhorn": lambda i, p: transport(i["x"], p["epsilon"], p["iterations"])[0],
    "rmsNorm": lambda i, p: F.rms_norm(i["x"], i["weight"].shape, i["weight"], 1e-5),
    "swiglu": lambda i, p: swiglu(i),
    "crossEntropy": lambda i, p: F.cross_entropy(i["x"], i["targets"].long(), reduction="none"),
    "rotary": lambda i, p: rotary(i),
    "causalAttention": lambda i, p: attention(i),
    "gatherRows": lambda i, p: F.embedding(i["ids"], i["x"]),
}


def fused(kind):
    def make(params, inputs, compiled):
        op = compiled_if(compiled, lambda x: FUSED[kind](inputs | {"x": x}, params))

        def loss():
            y = op(inputs["x"])
            return y, {"y": y}

        return Gradients(loss, {"x": inputs["x"]}, inputs["cotangent"])

    return make


def gru(params, inputs, compiled):
    module = nn.Module()
    module.gru = nn.GRU(params["H"], params["G"], batch_first=True)
    leaves = fill(module, inputs)
    forward = compiled_if(compiled, module.gru)

    def loss():
        output, _ = forward(inputs["x"])
        return (output * inputs["cotangent"]).sum(), {"output": output}

    return Gradients(loss, {"x": inputs["x"], **leaves})


def router(params, inputs, compiled):
    module = Router(params)
    leaves = fill(module, inputs)
    forward = compiled_if(compiled, module)

    def loss():
        weights, _, extra, _ = forward(inputs["x"], torch.ones(()))
        return (weights * inputs["cotangent"]).sum() + extra, {"weights": weights, "loss": extra}

    return Gradients(loss, {"x": inputs["x"], **leaves})


def moe_layer(params, inputs, compiled):
    module = MoeLayer(params)
    leaves = fill(module, inputs)
    forward = compiled_if(compiled, module)

    def loss():
        output, extra, _ = forward(inputs["x"], torch.ones(()))
        return (output * inputs["cotangent"]).sum() + extra, {"output": output, "loss": extra}

    return Gradients(loss, {"x": inputs["x"], **leaves})


class TrainStep:
    """Forward, backward, clipping, AdamW and the routers' commit, as the trainer's step."""

    COMPARED, WARMUP = 2, 100

    def __init__(self, params, inputs, compiled):
        self.model = LanguageModel(params)
        fill(self.model, inputs)
        self.forward, self.steps = compiled_if(compiled, self.model), 0
        self.ids, self.targets = inputs["ids"], inputs["targets"].long()
        vectors = [p for p in self.model.parameters() if p.dim() < 2]
        matrices = [p for p in self.model.parameters() if p.dim() >= 2]
        groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.95), fused=True)

    def run(self):
        self.optimizer.zero_grad()
        share = torch.tensor(min(1.0, self.steps / self.WARMUP))
        task, extra, told = self.forward(self.ids, self.targets, share)
        (task + extra).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for layer, statistics in zip(self.model.model.layers, told):
            layer.mlp.router.commit(statistics)
        self.optimizer.step()
        self.steps += 1
        return task.item()

    def outputs(self):
        return {"losses": torch.tensor([self.run() for _ in range(self.COMPARED)])}


def decode(params, inputs, compiled):
    model = LanguageModel(params)
    fill(model, inputs)
    context = params["context"]
    cache = []
    with torch.inference_mode():
        x = model.model.embed_tokens(inputs["prompt"])
        for i, layer in enumerate(model.model.layers):
            layer.mlp.router.mean = inputs[f"layers.{i}.state_mean"]
            layer.mlp.router.average = inputs[f"layers.{i}.state_price"]
            x, entry = prefill(layer, x, model.rotation(0, context))
            cache.append(entry)
    step = compiled_if(compiled, model.step)
    return Compute(lambda: {"logits": step(inputs["token"], cache)[0]})


def prefill(layer, x, rotation):
    attended, pair = layer.self_attn(layer.input_layernorm(x), rotation)
    x = x + attended
    normed = layer.post_attention_layernorm(x)
    state = torch.zeros(1, 1, layer.mlp.router.gru.hidden_size)
    weights, indices, state = layer.mlp.router.causal(normed, state)
    return x + layer.mlp.experts(normed[0], weights, indices)[None], (*pair, state)


KINDS = {
    "gemm": gemm,
    "gru": gru,
    "router": router,
    "moe-layer": moe_layer,
    "train-step": TrainStep,
    "decode": decode,
    **{kind: fused(kind) for kind in FUSED},
}


def build(kind, params, inputs, compiled):
    if kind not in KINDS:
        return f"no case of the kind {kind} is written in PyTorch"
    return KINDS[kind](params, inputs, compiled)

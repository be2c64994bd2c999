#!/usr/bin/env python3
"""Holds Fovea's recurrences against flash-linear-attention's naive forms: recurrences_check.py LIBFOVEA

Outputs and last states within 1e-5 of their norm, gradients (of autograd, through the naive loop) within 1e-4,
for lengths that chunks do not divide, several heads, widths and decays. The naive forms are loaded from the
files of the package `fla-core` without importing it, as that asks for Triton.
"""

import importlib.util
import pathlib
import sys

import torch
from fovea_recurrence import Recurrence

PACKAGE = pathlib.Path(importlib.util.find_spec("fla").origin).parent


def naive(folder, name):
    spec = importlib.util.spec_from_file_location("naive_" + folder, PACKAGE / "ops" / folder / "naive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


linear_attention = naive("linear_attn", "naive_recurrent_linear_attn")
retention = naive("retention", "naive_retention")
simple_gla = naive("simple_gla", "naive_recurrent_simple_gla")
delta_rule = naive("delta_rule", "delta_rule_recurrence")
gated_delta_rule = naive("gated_delta_rule", "naive_recurrent_gated_delta_rule")


def of_linear_attention(q, k, v, log_decay, rate, initial):
    return linear_attention(q, k, v, initial_state=initial, output_final_state=True)


def of_retention(q, k, v, log_decay, rate, initial):
    return retention(*(x.transpose(1, 2) for x in (q, k, v))).transpose(1, 2), None


def of_ssd(q, k, v, log_decay, rate, initial):
    return simple_gla(q, k, v * rate[..., None], log_decay, initial_state=initial)


def of_delta_rule(q, k, v, log_decay, rate, initial):
    y, final = delta_rule(*(x.transpose(1, 2) for x in (q, k, v, rate)), initial_state=initial)
    return y.transpose(1, 2), final


def of_gated_delta_rule(q, k, v, log_decay, rate, initial):
    return gated_delta_rule(q, k, v, rate, log_decay, initial_state=initial, output_final_state=True)


# name, Fovea's rule, the naive form, what it reads beside q, k and v
CASES = [("linear attention", "ssd", of_linear_attention, ["initial"]),
         ("retention", "ssd", of_retention, ["log_decay"]),
         ("SSD (simple GLA)", "ssd", of_ssd, ["log_decay", "rate", "initial"]),
         ("delta rule", "gated_delta", of_delta_rule, ["rate", "initial"]),
         ("gated delta rule", "gated_delta", of_gated_delta_rule, ["log_decay", "rate", "initial"])]
# batch, n, heads, d_key, d_value, decay
SHAPES = [(1, 1, 1, 4, 4, 0.1), (2, 63, 2, 8, 12, 0.1), (1, 200, 3, 16, 16, 3.0), (1, 130, 1, 64, 32, 0.01)]


def tensors_of(shape, name, reads):
    batch, n, heads, d_key, d_value, decay = shape
    torch.manual_seed(n)
    given = {"q": torch.randn(batch, n, heads, d_key),
             "k": torch.nn.functional.normalize(torch.randn(batch, n, heads, d_key), dim=3),
             "v": torch.randn(batch, n, heads, d_value), "log_decay": -decay * torch.rand(batch, n, heads),
             "rate": torch.rand(batch, n, heads), "initial": torch.randn(batch, heads, d_key, d_value)}
    if name == "retention":
        given["log_decay"] = torch.log1p(-2.0 ** (-5.0 - torch.arange(heads))).expand(batch, n, heads).contiguous()
    return {key: x for key, x in given.items() if key in ("q", "k", "v") or key in reads}


def off(got, want):
    return float((got - want).norm() / want.norm().clamp_min(1e-30))


def check(library, name, rule, form, reads, shape):
    tensors = tensors_of(shape, name, reads)
    recurrence = Recurrence(library, rule, tensors)
    y, dy = torch.empty_like(tensors["v"]), torch.randn_like(tensors["v"])
    final = torch.empty(shape[0], shape[2], shape[3], shape[4])
    gradients = {key: torch.empty_like(x) for key, x in tensors.items()}
    recurrence.forward(y, final, keep=True)
    recurrence.backward(dy, gradients)
    recurrence.free()
    leaves = {key: x.clone().requires_grad_() for key, x in tensors.items()}
    want, last = form(**{key: leaves.get(key) for key in ("q", "k", "v", "log_decay", "rate", "initial")})
    learned = [key for key in leaves if not (name == "retention" and key == "log_decay")]
    slopes = torch.autograd.grad(want, [leaves[key] for key in learned], dy)
    errors = {"y": off(y, want.detach()) / 1e-5}
    if last is not None:
        errors["final"] = off(final, last.detach()) / 1e-5
    errors.update({"d" + key: off(gradients[key], x) / 1e-4 for key, x in zip(learned, slopes)})
    worst = max(errors, key=errors.get)
    if not errors[worst] <= 1:
        sys.exit(f"recurrences: {name} {shape}: {worst} is off by {errors[worst]:.1f} times its tolerance")
    return errors[worst]


def main():
    torch.set_num_threads(1)
    for name, rule, form, reads in CASES:
        worst = max(check(sys.argv[1], name, rule, form, reads, shape) for shape in SHAPES)
        print(f"recurrences: {name} is flash-linear-attention's naive form"
              f" ({len(SHAPES)} shapes, at most {worst:.3f} of the tolerance)")


if __name__ == "__main__":
    main()

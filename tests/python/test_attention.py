"""Attention and the selective scan against the same sums in float64, and against torch's own."""

import types
import unittest
import unittest.mock

import numpy as np
from case import Case, installed

import fovea as fv


def seen(mask, n_query, n_key, first=0):
    """bool [n query, n key] of a mask, by its definition."""
    i, j = np.arange(first, first + n_query)[:, None], np.arange(n_key)[None]
    parts = []
    if mask.window:
        parts.append(abs(i - j) < mask.window)
    if mask.sinks:
        parts.append((j < mask.sinks) & (i >= 0))
    if mask.stride:
        near = abs(i - j) < mask.stride * mask.stride_window if mask.stride_window else True
        parts.append(((i - j) % mask.stride == 0) & near)
    if len(mask.globals):
        parts.append(np.isin(i, mask.globals) | np.isin(j, mask.globals))
    if mask.blocks is not None:
        parts.append(np.asarray(mask.blocks)[i // (mask.block or 64), j // (mask.block or 64)])
    all_ = np.logical_or.reduce([np.broadcast_to(p, (n_query, n_key)) for p in parts]) if parts \
        else np.ones((n_query, n_key), bool)
    return all_ & (j <= i) if mask.causal else all_


def reference(q, k, v, visible, d_o):
    """o, dq, dk, dv in float64; heads of k and v are repeated."""
    q, k, v, d_o = (x.astype(np.float64) for x in (q, k, v, d_o))
    repeat = q.shape[1] // k.shape[1]
    wide_k, wide_v = (np.repeat(x, repeat, axis=1) for x in (k, v))
    scale = 1 / np.sqrt(q.shape[-1])
    s = np.where(visible, q @ wide_k.swapaxes(-1, -2) * scale, -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    o = p @ wide_v
    dp = d_o @ wide_v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * scale
    dk, dv = ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ d_o
    shape = (k.shape[0], k.shape[1], repeat, *k.shape[2:])
    return o, ds @ wide_k, dk.reshape(shape).sum(2), dv.reshape(shape).sum(2)


MASKS = {
    "all": None,
    "causal": fv.causal(),
    "window": fv.window(50, sinks=3),
    "stride": fv.Mask(causal=True, stride=4, stride_window=8, window=5),
    "globals": fv.Mask(window=20, globals=[100, 7]),
    "blocks": fv.Mask(block=32, blocks=np.eye(5, dtype=bool) | (np.arange(5) == 0)),
}


class Attention(Case):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(1)
        self.q, self.d_o = (rng.normal(size=(2, 4, 150, 16)).astype(np.float32) for _ in range(2))
        self.k, self.v = (rng.normal(size=(2, 2, 150, 16)).astype(np.float32) for _ in range(2))

    def test_masks_forward_and_backward(self):
        for name, mask in MASKS.items():
            with self.subTest(name):
                o, pull = fv.attention_vjp(self.q, self.k, self.v, mask)
                expected = reference(self.q, self.k, self.v, seen(mask or fv.Mask(), 150, 150), self.d_o)
                for got, want in zip((o, *pull(self.d_o)), expected):
                    self.assertEqual(got.dtype, np.float32)
                    np.testing.assert_allclose(got, want, atol=2e-5)
                np.testing.assert_array_equal(fv.attention(self.q, self.k, self.v, mask), o)

    def test_fewer_axes_and_other_layouts(self):
        o = fv.attention(self.q, self.k, self.v, fv.causal())
        np.testing.assert_array_equal(fv.attention(self.q[0], self.k[0], self.v[0], fv.causal()), o[0])
        np.testing.assert_array_equal(
            fv.attention(self.q[0, 0], self.k[0, 0], self.v[0, 0], fv.causal()), o[0, 0])
        apart = [np.asfortranarray(x) for x in (self.q, self.k, self.v)]
        np.testing.assert_array_equal(fv.attention(*apart, fv.causal()), o)
        late = fv.attention(self.q[:, :, 140:], self.k, self.v, fv.causal(), first_query=140)
        np.testing.assert_allclose(late, o[:, :, 140:], atol=1e-6)

    def test_types(self):
        half = [x.astype(np.float16) for x in (self.q, self.k, self.v)]
        o = fv.attention(*half)
        self.assertEqual(o.dtype, np.float16)
        np.testing.assert_allclose(o, fv.attention(self.q, self.k, self.v), atol=5e-3)
        self.refuses("q must be float32", fv.attention, self.q.astype(np.float64), self.k, self.v)
        self.refuses("k must be float32", fv.attention, self.q, np.ones((2, 2, 150, 16), int), self.v)

    def test_mistakes(self):
        self.refuses("k and v must have the same shape", fv.attention, self.q, self.k, self.v[:, :, 1:])
        self.refuses("same batch and d", fv.attention, self.q[..., :8], self.k, self.v)
        self.refuses("must be a fv.Mask", fv.attention, self.q, self.k, self.v, np.ones((150, 150), bool))
        self.refuses("q must have the shape", fv.attention, self.q[0, 0, 0], self.k, self.v)
        self.refuses("there is no score 'cosine'; there are dot", fv.attention, self.q, self.k, self.v, score="cosine")
        for shape in ((2, 2), (3, 2), (3, 5), (3,)):  # 150 positions; the second and third have as many bytes as (3, 3)
            self.refuses(f"[3, 3] in blocks of 64 positions, not {list(shape)}", fv.attention, self.q, self.k, self.v,
                         fv.Mask(blocks=np.ones(shape)))
        for n in (0, -1, 1.5, (1 << 64) + 1):
            self.refuses("a window must be a whole number from 1", fv.window, n)
        for named in (dict(first_query=-1), dict(first_query=1 << 64), dict(threads=(1 << 32) + 1)):
            self.refuses("must be a whole number from 0", fv.attention, self.q, self.k, self.v, **named)
        self.refuses("sinks must be a whole number", fv.attention, self.q, self.k, self.v, fv.Mask(sinks=1 << 64))
        self.refuses("a place of globals must be a whole number", fv.attention, self.q, self.k, self.v,
                     fv.Mask(globals=[1.7]))
        self.refuses("power is read by score 'harmonic' alone", fv.attention, self.q, self.k, self.v, power=3)
        self.refuses("d_o must have the shape", fv.attention_vjp(self.q, self.k, self.v)[1], self.d_o[0])
        three = np.ones((2, 3, 150, 16), np.float32)
        self.refuses("", fv.attention, self.q, three, three)

    def test_tensors_and_arrays_do_not_mix(self):
        class Tensor:
            pass

        with unittest.mock.patch.dict("sys.modules", torch=types.SimpleNamespace(Tensor=Tensor)):
            self.refuses("k, v must be tensors of torch too", fv.attention, Tensor(), self.k, self.v)
            self.refuses("u, A, B, C must be tensors", fv.selective_scan, self.q, Tensor(), self.q, self.q, self.q)

    @unittest.skipUnless(installed("torch"), "torch is not installed")
    def test_torch(self):
        import torch

        for name, mask in MASKS.items():
            with self.subTest(name):
                tensors = [torch.from_numpy(x.copy()).requires_grad_() for x in (self.q, self.k, self.v)]
                o = fv.attention(*tensors, mask)
                o.backward(torch.from_numpy(self.d_o))
                exact = [torch.from_numpy(x.astype(np.float64)).requires_grad_() for x in (self.q, self.k, self.v)]
                visible = torch.from_numpy(seen(mask or fv.Mask(), 150, 150))
                wide = [x.repeat_interleave(2, 1) for x in exact[1:]]
                theirs = torch.nn.functional.scaled_dot_product_attention(exact[0], *wide, attn_mask=visible)
                theirs.backward(torch.from_numpy(self.d_o.astype(np.float64)))
                self.assertLess((o - theirs).abs().max(), 1e-5)
                for got, want in zip(tensors, exact):
                    self.assertLess((got.grad - want.grad).abs().max(), 1e-4)

    @unittest.skipUnless(installed("torch"), "torch is not installed")
    def test_torch_types_and_strides(self):
        import torch

        q, k, v = (torch.from_numpy(x) for x in (self.q, self.k, self.v))
        turned = [x.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for x in (q, k, v)]
        o = fv.attention(*turned, fv.causal())
        self.assertTrue(torch.equal(o, fv.attention(q, k, v, fv.causal())))
        o.sum().backward()
        self.assertEqual(turned[1].grad.shape, k.shape)
        narrow = [x.bfloat16().requires_grad_() for x in (q, k, v)]
        o = fv.attention(*narrow)
        self.assertEqual(o.dtype, torch.bfloat16)
        o.sum().backward()
        self.assertEqual(narrow[0].grad.dtype, torch.bfloat16)
        self.refuses("q must be float32", fv.attention, q.double(), k, v)
        self.refuses("lies on meta", fv.attention, q.to("meta"), k, v)
        changed = q.clone().requires_grad_()
        copied = changed * 1
        o = fv.attention(copied, k, v)
        with torch.no_grad():
            copied.add_(1)
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            o.sum().backward()


def scan_reference(u, delta, A, B, C, D, z, bias, initial):
    step = np.log1p(np.exp(delta + bias))
    h, y = initial.swapaxes(1, 2).copy(), np.empty_like(u)
    for t in range(u.shape[1]):
        h = np.exp(step[:, t, :, None] * A) * h + (step[:, t] * u[:, t])[..., None] * B[:, t, None, :]
        y[:, t] = (h * C[:, t, None, :]).sum(-1) + D * u[:, t]
    return y * z / (1 + np.exp(-z)), h.swapaxes(1, 2)


class Scan(Case):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(2)
        shapes = [(2, 40, 6), (2, 40, 6), (6, 4), (2, 40, 4), (2, 40, 4), (6,), (2, 40, 6), (6,), (2, 4, 6)]
        self.inputs = [rng.normal(size=shape) for shape in shapes]
        self.inputs[2] = -np.exp(self.inputs[2])
        self.floats = [x.astype(np.float32) for x in self.inputs]

    def test_forward(self):
        y, final = fv.selective_scan(*self.floats, final=True)
        want, last = scan_reference(*self.inputs)
        np.testing.assert_allclose(y, want, atol=1e-4)
        np.testing.assert_allclose(final, last, atol=1e-4)
        plain = fv.selective_scan(*self.floats[:5])
        zeros = [np.zeros(6), None, np.zeros(6), np.zeros((2, 4, 6))]
        want, _ = scan_reference(*self.inputs[:5], zeros[0], np.ones((2, 40, 6)), *zeros[2:])
        np.testing.assert_allclose(plain * (1 / (1 + np.exp(-1))), want, atol=1e-4)

    def test_mistakes(self):
        self.refuses("A must have 2 axes", fv.selective_scan, *self.floats[:2], self.floats[0], *self.floats[3:])
        self.refuses("delta [2, 39, 6] does not fit the others: n is 40", fv.selective_scan, self.floats[0],
                     self.floats[1][:, 1:], *self.floats[2:])
        self.refuses("u must be float32", fv.selective_scan, *self.inputs)
        self.refuses("u is None", fv.selective_scan, None, *self.floats[1:])
        self.refuses("B is None", fv.selective_scan, *self.floats[:3], None, self.floats[4])

    @unittest.skipUnless(installed("torch"), "torch is not installed")
    def test_torch(self):
        import torch

        def in_torch(u, delta, A, B, C, D, z, bias, initial):
            step = torch.nn.functional.softplus(delta + bias)
            h, y = initial.transpose(1, 2), []
            for t in range(u.shape[1]):
                h = torch.exp(step[:, t, :, None] * A) * h + (step[:, t] * u[:, t])[..., None] * B[:, t, None, :]
                y.append((h * C[:, t, None, :]).sum(-1) + D * u[:, t])
            return torch.stack(y, 1) * torch.nn.functional.silu(z)

        tensors = [torch.from_numpy(x.copy()).requires_grad_() for x in self.floats]
        exact = [torch.from_numpy(x.copy()).requires_grad_() for x in self.inputs]
        weights = torch.from_numpy(np.random.default_rng(3).normal(size=(2, 40, 6)))
        (fv.selective_scan(*tensors) * weights.float()).sum().backward()
        (in_torch(*exact) * weights).sum().backward()
        for got, want in list(zip(tensors, exact))[:8]:
            np.testing.assert_allclose(got.grad, want.grad, atol=1e-3, rtol=1e-4)
        self.assertIsNone(tensors[8].grad)


if __name__ == "__main__":
    unittest.main()

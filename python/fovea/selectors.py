"""Rules of one's own for which keys a query keeps, tried out on trained models."""

from typing import Any, Optional, Sequence, Union

import numpy as np

from ._library import UsageError
from ._values import whole

__all__ = ["Selector"]


class Selector:
    """A rule for which of the keys that it sees a query keeps, in NumPy or torch.

        class Recent(fv.Selector):
            k = 4
            def rank(self, weights, q, k):
                return np.arange(weights.shape[-1])            # the later the better

        run.select(Recent(), tokens)

    The `k` keys of the largest rank are kept, of equals the first, and softmax goes over them alone. With a `block` of
    two positions or more, `rank` ranks blocks of neighbours, and a query's own is always kept as one of the `k`. It is
    how ``model.selector`` keeps keys, of a model that was trained as it was: rules that are to be trained with are those
    of the library.
    """

    k = 4
    block = 1

    def rank(self, weights: np.ndarray, q: np.ndarray, k: np.ndarray) -> Any:
        """Ranks of keys, [n, H, T queries, T keys] or what broadcasts to it; with blocks [n, H, T, blocks].

        `weights` [n, H, T, T] are those of a softmax over all keys, 0 where a query does not see one; `q`
        [n, T, H, d_head] and `k` [n, T, kv heads, d_head] as scores are made of them. Called once for each layer.
        """
        raise NotImplementedError(f"{type(self).__name__} must define rank(self, weights, q, k)")

    def keep(self, weights: np.ndarray, q: np.ndarray, k: np.ndarray) -> np.ndarray:
        """Which keys are kept: bool [n, H, T, T]."""
        name = type(self).__name__
        n_kept, block = whole(self.k, f"{name}.k", 1), whole(self.block, f"{name}.block", 1)
        T = weights.shape[-1]
        n_units = (T + block - 1) // block
        ranks = self.rank(weights, q, k)
        ranks = np.asarray(ranks.detach() if hasattr(ranks, "detach") else ranks)
        shape = (*weights.shape[:-1], n_units)
        if ranks.dtype.kind not in "fiu" or np.isnan(ranks).any():
            raise UsageError(f"{name}.rank must return numbers, not {ranks.dtype}" if ranks.dtype.kind not in "fiu"
                             else f"{name}.rank has returned NaN")
        try:
            ranks = np.broadcast_to(ranks.astype(np.float64), shape).copy()
        except ValueError:
            raise UsageError(f"{name}.rank must return {list(shape)}, or what broadcasts to it, not "
                             f"{list(ranks.shape)}") from None
        ends = np.arange(0, T, block)
        seen = np.logical_or.reduceat(weights > 0, ends, axis=-1)  # of each block
        if block > 1:
            at = np.arange(T)
            ranks[..., at, at // block] = np.inf
        ranks[~seen] = -np.inf
        order = np.argsort(-ranks, axis=-1, kind="stable")[..., :n_kept]
        kept = np.zeros(shape, bool)
        np.put_along_axis(kept, order, True, axis=-1)
        return np.repeat(kept & seen, block, axis=-1)[..., :T] & (weights > 0)


class Selecting:
    """What a run's model does where its queries keep fewer keys."""

    def select(self, selector: Selector, tokens, names: Union[None, str, Sequence[str]] = None, params=None,
               layers: Optional[str] = None):
        """Logits of tokens [n, T] where every query keeps the keys that `selector` chooses: [n, loss positions, V].

        `layers` are the attentions that it is for, as the name or pattern of their patterns ("blocks.1.*"); None: all.
        With `names` the activations of that pass are returned, as :meth:`cache` does.
        """
        if not isinstance(selector, Selector):
            raise UsageError(f"selector must be an instance of a class of fv.Selector, not {type(selector).__name__}")
        others = [layer for layer in self["model.layers"] if "normaliser=" in layer or "selector=" in layer]
        if self["model.normaliser"] != "softmax" or self["model.selector"] != "none" or others:
            raise UsageError("a selection is tried on models that weigh all keys by softmax; this one has "
                             f"{others[0] if others else self['model.normaliser'] + ', ' + self['model.selector']}")
        last = {}
        place = (layers or "blocks.*").rstrip("*").rstrip(".")

        def store(name):
            def hook(values):
                last[name] = values.copy()
            return hook

        def choose(weights):
            sink = np.maximum(1 - weights.sum(-1, keepdims=True, dtype=np.float64), 0)  # its share, of a sink
            sink[sink < 1e-5] = 0
            kept = np.where(selector.keep(weights, last["q"], last["k"]), weights, 0)
            total = kept.sum(-1, keepdims=True, dtype=np.float64) + sink
            return np.divide(kept, total, out=np.zeros_like(total * kept), where=total > 0)

        edits = {f"{place}.*attn.hook_q": store("q"), f"{place}.*attn.hook_k": store("k"),
                 f"{place}.*attn.hook_pattern": choose}
        return self.hooks(edits, tokens, names, params)

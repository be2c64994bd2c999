"""Costs of published models are the command line's."""

import json
import pathlib
import unittest

from case import Case, tool

import fovea as fv

CONFIG = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
          "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 1000, "tie_word_embeddings": False}


class Costs(Case):
    def setUp(self):
        super().setUp()
        pathlib.Path("config.json").write_text(json.dumps(CONFIG), encoding="utf-8")

    def test_totals_are_the_tools(self):
        cost = fv.cost("config.json", context=128000)
        self.assertEqual(cost["cache"], 2 * 3 * 2 * 16 * 2 * 128000)
        told = json.loads(tool("cost", "--model", "config.json", "--context", "128000", "--json").splitlines()[0])
        by_tool = json.dumps(told)
        for name in ("cache", "prefill", "decode"):
            self.assertIn(str(cost[name]), by_tool)
        self.assertEqual(cost.family, "llama")

    def test_layers_and_formulas(self):
        cost = fv.cost("config.json", context=1000, batch=2)
        layers = cost.layers
        self.assertEqual(2 * sum(layers["cache"]), cost["cache"])
        self.assertEqual(len(layers["layer"]), 5)
        self.assertEqual(list(layers["parts"])[1], "attention, mlp")
        self.assertIn("kv_heads", cost.formula("attention", "cache"))
        self.assertEqual(cost.largest_context(cost["cache"]), 992)  # whole pages of 16

    def test_mistakes(self):
        self.refuses("there is no engine 'vlm'", fv.cost, "config.json", 10, engine="vlm")
        self.refuses("there is no setting 'paged'", fv.cost, "config.json", 10, paged=3)
        self.refuses("there is no setting '_fields_'", fv.cost, "config.json", 10, _fields_=3)
        self.refuses("there is no setting 'tokens'", fv.cost, "config.json", 10, tokens=3)
        self.refuses("cache_bytes must be a number, not 'fp8'", fv.cost, "config.json", 10, cache_bytes="fp8")
        for context in (-5, 0, 1 << 64, 1e5, "128k", True):
            self.refuses("context must be a whole number from 1", fv.cost, "config.json", context)
        self.refuses("memory must be a number of bytes", fv.cost("config.json", 10).largest_context, -1)
        self.refuses("absent.json", fv.cost, "absent.json", 10, error=fv.Error)
        self.refuses("parts are", fv.cost("config.json", 10).formula, "mamba", "cache")
        with self.assertRaisesRegex(KeyError, "there are weights"):
            fv.cost("config.json", 10)["memory"]


if __name__ == "__main__":
    unittest.main()

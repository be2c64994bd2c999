"""Models in files: those of runs, and of transformers where that is installed."""

import json
import os
import unittest

import numpy as np
from case import Case, installed

import fovea as fv

LLAMA = {"n_embd": 8, "n_head": 2, "layers": ["attention", "mlp"], "residual": True, "norm": "rms", "positions": "rope",
         "activation": "swiglu"}


class Models(Case):
    def test_what_a_run_has_exported(self):
        run = self.sweep(model=LLAMA)[0]
        tokens, _ = run.test_data(20)
        run.export("one.safetensors")
        run.export("folder", format="hf")
        for path in "one.safetensors", "folder":
            model = fv.open_model(path)
            np.testing.assert_array_equal(model.params.flat, run.params.flat)
            np.testing.assert_array_equal(model.logits(tokens), run.logits(tokens))
            np.testing.assert_array_equal(model.cache(tokens, "*pattern")["blocks.0.attn.hook_pattern"],
                                          run.attention(tokens)[:, 0])
            self.assertEqual(model.config, run.config)
            self.assertEqual([s.step for s in model.snapshots], [0])
            self.assertIn(path, repr(model))
            zero = {"blocks.0.attn.hook_z": 0}
            np.testing.assert_array_equal(model.hooks(zero, tokens), run.hooks(zero, tokens))
        flat = model.params.flat
        total = float(flat.sum())
        del model  # the array goes on by itself
        self.assertEqual(float(flat.sum()), total)

    def test_mistakes(self):
        run = self.sweep(model=LLAMA)[0]
        self.refuses("there is no file", fv.open_model, "none.safetensors", error=fv.NotFoundError)
        os.mkdir("empty")
        self.refuses("there is no file empty/config.json", fv.open_model, "empty", error=fv.NotFoundError)
        run.export("folder", format="hf")
        with open("folder/config.json") as file:
            config = json.load(file)
        with open("folder/config.json", "w") as file:
            json.dump({**config, "model_type": "bert"}, file)
        self.refuses("Fovea opens gpt2, llama, qwen3 and mamba", fv.open_model, "folder")
        self.refuses("length must be a whole number", fv.open_model, "folder", length=0)
        self.refuses("format must be 'safetensors' or 'hf'", run.export, "x", format="gguf")
        self.refuses("no family of transformers", self.sweep(out="other")[0].export, "x", format="hf")

    @unittest.skipUnless(installed("transformers") and installed("torch"), "transformers is not installed")
    def test_models_from_there(self):
        import torch
        import transformers

        torch.manual_seed(0)
        config = transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=4, n_positions=32, bos_token_id=None,
                                         eos_token_id=None)
        theirs = transformers.GPT2LMHeadModel(config).eval()
        theirs.save_pretrained("gpt2")
        model = fv.open_model("gpt2", length=9)
        tokens = np.random.default_rng(0).integers(0, 40, (20, 9))
        with torch.no_grad():
            logits = theirs(torch.from_numpy(tokens)).logits.numpy()
        np.testing.assert_allclose(model.cache(tokens, "logits")["logits"], logits, rtol=1e-4, atol=1e-5)
        self.refuses("must have the shape [n, 9]", model.logits, tokens[:, :5])


if __name__ == "__main__":
    unittest.main()
